import { z } from 'zod';
import { Prisma } from '../../generated/client.ts';
import { isServerError, toStoreError, unavailable } from '../client/errors.ts';

/** The part of a pg error that Prisma's adapter keeps: the SQLSTATE, or a kind of the adapter's own. */
const causeSchema = z.object({ originalCode: z.string().optional(), kind: z.string().optional() });
const metaSchema = z.object({ driverAdapterError: z.object({ cause: causeSchema }) });
/** A failure of BEGIN or COMMIT is reported as the adapter's own error. */
const adapterErrorSchema = z.object({
  name: z.literal('DriverAdapterError'),
  cause: causeSchema,
});

/** The adapter's kinds that report trouble of the server or of the connection. */
const serverErrorKinds = new Set([
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

/** Does for Prisma's errors what `toStoreError` does for pg's. */
export function toPrismaStoreError(error: unknown): unknown {
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    // P1…: Prisma could not connect to the database. P2028: its transaction took too long.
    if (error.code.startsWith('P1') || error.code === 'P2028') return unavailable(error);
    const meta = metaSchema.safeParse(error.meta);
    return isTemporary(meta.data?.driverAdapterError.cause) ? unavailable(error) : error;
  }
  const adapterError = adapterErrorSchema.safeParse(error);
  return isTemporary(adapterError.data?.cause) ? unavailable(error) : toStoreError(error);
}

function isTemporary({ originalCode = '', kind = '' }: z.infer<typeof causeSchema> = {}): boolean {
  return isServerError(originalCode) || serverErrorKinds.has(kind);
}
