import { resolve, sep } from 'node:path';

/**
 * The service, or a command, cannot run with these settings. The message is one line. It begins with the
 * variable to look at, and says what to do.
 */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Why a file operation failed, by the code of its error. */
const reasons = new Map([
  ['EACCES', 'this user may not write there'],
  ['EPERM', 'this user may not write there'],
  ['EROFS', 'the disk is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk is full'],
  ['ENOTDIR', 'a part of the path is a file'],
  ['EEXIST', 'it is a file'],
  ['ELOOP', 'its symbolic links go in a circle'],
  ['ENAMETOOLONG', 'the path is too long'],
  ['ENOENT', 'its symbolic link points nowhere'],
]);

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Whether an error of the system or of the database has one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(codeOf(error));
}

/**
 * Turns the error of a step that writes to DATA_DIR into a StartError. Returns any other error unchanged.
 */
export function explainDataDir(dataDir: string, error: unknown): unknown {
  const reason = reasons.get(codeOf(error));
  if (reason === undefined || !isAbout(dataDir, error)) return error;
  const remedy = 'name another folder, or set DATABASE_URL and JWT_SECRET';
  const line = `DATA_DIR: ${dataDir} cannot be used, ${reason}: ${remedy}`;
  return new StartError(line, { cause: error });
}

/** Whether an error is about a path in the folder, or about a parent of the folder. */
function isAbout(dataDir: string, error: unknown): boolean {
  const { path } = Object(error);
  if (typeof path !== 'string') return false;
  const [failed, folder] = [resolve(path) + sep, resolve(dataDir) + sep];
  return failed.startsWith(folder) || folder.startsWith(failed);
}

/** Turns an error of `listen` into a StartError. Returns any other error unchanged. */
export function explainListen(
  { host, port }: { readonly host: string; readonly port: number },
  error: unknown,
): unknown {
  const line = describeListenError(host, port, codeOf(error));
  return line === undefined ? error : new StartError(line, { cause: error });
}

function describeListenError(host: string, port: number, code: string): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `PORT: ${port} is taken at ${host}: stop what listens there, or set another one`;
    case 'EACCES':
    case 'EPERM':
      return `PORT: this user may not open ${port}: set one from 1024 on`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
    case 'EAFNOSUPPORT':
      return `HOST: ${host} is no address of this machine: set one, such as 127.0.0.1, or 0.0.0.0 for all`;
    default:
      return undefined;
  }
}
