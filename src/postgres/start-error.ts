import { hasCode, StartError } from '../config/start-error.ts';

/**
 * Runs one step of the start that uses the database.
 *
 * @param variable the environment variable that names the database, or the database that is used without it
 * @throws StartError with a message that names the variable, and never the password
 */
export async function explainStartErrors<Result>(
  { variable, connectionString }: { readonly variable: string; readonly connectionString: string },
  step: () => Promise<Result>,
): Promise<Result> {
  try {
    return await step();
  } catch (cause) {
    throw new StartError(`${variable}: ${reasonOf(cause, connectionString)}`, { cause });
  }
}

function reasonOf(error: unknown, connectionString: string): string {
  const { host, user } = partsOf(connectionString);
  if (hasCode(error, 'ECONNREFUSED', 'ENOENT') && isConnectError(error)) {
    return `nothing listens at ${host}`;
  }
  if (hasCode(error, 'ENOTFOUND', 'EAI_AGAIN')) return `the host of ${host} is not known`;
  if (hasCode(error, 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH')) return `no way to ${host}`;
  const message = error instanceof Error ? error.message : String(error);
  if (/timeout/.test(message)) return `no answer from ${host}`;
  if (hasCode(error, '28P01', '28000')) return `${host} refuses the login: ${firstLine(message)}`;
  if (hasCode(error, '3D000')) {
    return `${firstLine(message)}: create it, as with createdb, or name another`;
  }
  if (hasCode(error, '42501') && /set role/.test(message)) {
    return `${firstLine(message)}: an administrator has to run GRANT landfall_service TO "${user}"`;
  }
  return firstLine(message);
}

/** A missing file has the same code as a missing socket. */
function isConnectError(error: unknown): boolean {
  // For a host with several addresses Node throws an AggregateError, which has no syscall.
  return !(error instanceof Error && 'syscall' in error) || error.syscall === 'connect';
}

function partsOf(connectionString: string): { readonly host: string; readonly user: string } {
  const { host, username, searchParams } = new URL(connectionString);
  return { host: searchParams.get('host') ?? host, user: decodeURIComponent(username) };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
