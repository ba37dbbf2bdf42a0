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

/**
 * The usual first version of such a service: for each event one transaction looks up the key, creates the event and
 * upserts the record. It does less than Landfall: versions are counted in memory, the last event to arrive wins, and
 * payloads are not validated.
 */
serveParent<{ readonly databaseUrl: string; readonly secret: string }>(async (settings) => {
  const adapter = new PrismaPg({ connectionString: settings.databaseUrl, max: connections });
  const prisma = new PrismaClient({ adapter });
  const versions = new Map<string, number>();
  const app = fastify();
  await app.register(jwt, { secret: settings.secret });

  app.post<Push>('/events', async (request) => {
    const { tenant } = await request.jwtVerify<{ tenant: string }>();
    const processed: string[] = [];
    for (const event of request.body.events) {
      const version = (versions.get(tenant) ?? 0) + 1;
      versions.set(tenant, version);
      await prisma.$transaction((transaction) => storeEvent(transaction, tenant, version, event));
      processed.push(event.identityKey);
    }
    return { success: true, processed, failed: [] };
  });

  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { ready: { url } };
});

async function storeEvent(
  prisma: Prisma.TransactionClient,
  tenantId: string,
  version: number,
  { identityKey, kind, occurredAt, payload }: Event,
): Promise<void> {
  const known = await prisma.event.findUnique({
    where: { tenantId_identityKey: { tenantId, identityKey } },
  });
  if (known) return;
  const { noteId, ...data } = payload;
  const entity = { tenantId, entityType: 'note', entityId: noteId };
  const now = new Date();
  await prisma.event.create({
    data: {
      ...entity,
      version,
      identityKey,
      fingerprint: createHash('sha256').update(identityKey).digest(),
      kind,
      kindVersion: 1,
      outcome: 'applied',
      occurredAt,
      effectiveAt: occurredAt,
      receivedAt: now,
      clockAdjusted: false,
      payload,
    },
  });
  const changed = {
    version,
    deleted: false,
    data,
    clock: {},
    originKey: identityKey,
    originKind: kind,
    originAt: occurredAt,
    updatedAt: now,
  };
  await prisma.record.upsert({
    where: { tenantId_entityType_entityId: entity },
    create: { ...entity, ...changed, createdAt: now },
    update: changed,
  });
}
