const signs = 'in a user or password write / as %2F, ? as %3F, # as %23, @ as %40, % as %25';

/** Why a text is no URL of a PostgreSQL server, as what follows the variable's name. */
export function findDatabaseUrlProblem(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//i.test(text)) return 'must be a URL that begins with postgresql://';
  if (!URL.canParse(text)) return `cannot be read as a URL: ${signs}`;
  const { username, password, pathname, search, hash } = new URL(text);
  // A password that has one of them ends the address, and what follows becomes the database's name.
  const isCut = username === '' && /@/.test(pathname + hash + search.split('=', 1)[0]);
  if (isCut) return `cannot be read, as what is before the @ is no user: ${signs}`;
  const isWhole = [username, password, pathname].every(isDecodable);
  return isWhole ? undefined : `cannot be read, as a % in it is the beginning of nothing: ${signs}`;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
