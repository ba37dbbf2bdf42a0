import { createHash } from 'node:crypto';
import jwt from '@fastify/jwt';
import { PrismaPg } from '@prisma/adapter-pg';
import fastify from 'fastify';
import { type Prisma, PrismaClient } from '../../src/generated/client.ts';
import { serveParent } from '../serve-parent.ts';

interface Event {
  readonly identityKey: string;
  readonly kind: string;
  readonly occurredAt: string;
  readonly payload: { readonly noteId: string; readonly title: string; readonly body: string };
}

type Push = { readonly Body: { readonly events: readonly Event[] } };

const connections = 10;

/** The tables' schema: Prisma takes `public` otherwise. */
const schema = 'landfall';

/** The code of `applied`. */
const applied = 1;

/**
 * The usual first version of such a service: for each event one transaction looks up the key, creates the event and
 * upserts the record. It does less than Landfall: versions are counted in memory, the last event to arrive wins, and
 * payloads are not validated.
 */
serveParent<{ readonly databaseUrl: string; readonly secret: string }>(async (settings) => {
  const { databaseUrl, secret } = settings;
  const adapter = new PrismaPg({ connectionString: databaseUrl, max: connections }, { schema });
  const prisma = new PrismaClient({ adapter });
  const versions = new Map<string, number>();
  const numbers = new Map<string, Promise<number>>();
  const app = fastify();
  await app.register(jwt, { secret });

  /** Its row is made by its first event, and its number is remembered. */
  function numberOf(id: string): Promise<number> {
    const found = numbers.get(id);
    if (found) return found;
    const made = prisma.tenantNumber.create({ data: { id } }).then(async ({ no }) => {
      await prisma.tenant.create({ data: { no, id } });
      return no;
    });
    numbers.set(id, made);
    return made;
  }

  app.post<Push>('/events', async (request) => {
    const { tenant } = await request.jwtVerify<{ tenant: string }>();
    const tenantNo = await numberOf(tenant);
    const processed: string[] = [];
    for (const event of request.body.events) {
      const version = (versions.get(tenant) ?? 0) + 1;
      versions.set(tenant, version);
      await prisma.$transaction((transaction) => storeEvent(transaction, tenantNo, version, event));
      processed.push(event.identityKey);
    }
    return { success: true, processed, failed: [] };
  });

  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { ready: { url } };
});

async function storeEvent(
  prisma: Prisma.TransactionClient,
  tenantNo: number,
  version: number,
  { identityKey, kind, occurredAt, payload }: Event,
): Promise<void> {
  const keyHash = createHash('sha256').update(identityKey).digest().subarray(0, 16);
  const known = await prisma.event.findUnique({
    where: { tenantNo_keyHash: { tenantNo, keyHash } },
  });
  if (known) return;
  const { noteId, ...data } = payload;
  const entity = { tenantNo, entityType: 'note', entityId: noteId };
  const now = new Date();
  await prisma.event.create({
    data: {
      ...entity,
      version,
      keyHash,
      identityKey,
      kind,
      kindVersion: 1,
      outcome: applied,
      occurredAt,
      effectiveAt: occurredAt,
      receivedAt: now,
      clockAdjusted: false,
      recordChanged: true,
      payload,
    },
  });
  const changed = {
    version,
    lastEvent: version,
    deleted: false,
    data,
    dataVersion: 1,
    originKey: identityKey,
    originKind: kind,
    originAt: occurredAt,
    updatedAt: now,
  };
  await prisma.record.upsert({
    where: { tenantNo_entityType_entityId: entity },
    create: { ...entity, ...changed, createdAt: now },
    update: changed,
  });
}
