import { z } from 'zod';
import { Prisma } from '../../generated/client.ts';
import { isServerError, toStoreError, unavailable } from '../client/errors.ts';

/** What Prisma's adapter keeps of the error that pg gave it: the SQLSTATE, or only a kind of its own. */
const causeSchema = z.object({ originalCode: z.string().optional(), kind: z.string().optional() });
const metaSchema = z.object({ driverAdapterError: z.object({ cause: causeSchema }) });
/** What breaks at BEGIN or COMMIT comes as the adapter's own error. */
const adapterErrorSchema = z.object({
  name: z.literal('DriverAdapterError'),
  cause: causeSchema,
});

/** The adapter's kinds that speak of the server or of the way to it. */
const serverSideKinds = new Set([
  'AuthenticationFailed',
  'ConnectionClosed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'DatabaseNotReachable',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
  'TransactionAlreadyClosed',
  'TransactionWriteConflict',
]);

/** As `toStorageError`, for errors that came by way of Prisma. */
export function toPrismaStoreError(error: unknown): unknown {
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    // P1: Prisma could not reach the database, or not get in. P2028: its transaction took too long.
    if (error.code.startsWith('P1') || error.code === 'P2028') return unavailable(error);
    const meta = metaSchema.safeParse(error.meta);
    return isMendable(meta.data?.driverAdapterError.cause) ? unavailable(error) : error;
  }
  const ofAdapter = adapterErrorSchema.safeParse(error);
  return isMendable(ofAdapter.data?.cause) ? unavailable(error) : toStoreError(error);
}

function isMendable({ originalCode = '', kind = '' }: z.infer<typeof causeSchema> = {}): boolean {
  return isServerError(originalCode) || serverSideKinds.has(kind);
}
