/** The service, or a command, cannot run as it is set up. The message is one line that names the
 * variable to look at and what to do. */
export class StartFault extends Error {
  override readonly name = 'StartFault';
}

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

/** What a step failed for that writes to DATA_DIR; any other error stays as it is. */
export function explainDataDir(dataDir: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = reasons.get(code);
  if (reason === undefined) return error;
  const cure = 'name another folder, or set DATABASE_URL and JWT_SECRET';
  return new StartFault(`DATA_DIR: ${dataDir} cannot be used, ${reason}: ${cure}`, {
    cause: error,
  });
}
