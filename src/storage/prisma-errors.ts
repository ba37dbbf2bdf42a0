import { z } from 'zod';
import { Prisma } from '../generated/client.ts';
import { isServerSide, toStorageError, unavailable } from './pg-errors.ts';

/** What Prisma's adapter keeps of the error that pg gave it. */
const metaSchema = z.object({
  driverAdapterError: z.object({ cause: z.object({ originalCode: z.string() }) }),
});

/** As `toStorageError`, for errors that came by way of Prisma. */
export function toPrismaStorageError(error: unknown): unknown {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError)) return toStorageError(error);
  // P1: Prisma could not reach the database, or not get in. P2028: its transaction took too long.
  if (error.code.startsWith('P1') || error.code === 'P2028') return unavailable(error);
  const meta = metaSchema.safeParse(error.meta);
  const isOfServer = meta.success && isServerSide(meta.data.driverAdapterError.cause.originalCode);
  return isOfServer ? unavailable(error) : error;
}
