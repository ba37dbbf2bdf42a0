const percentCodes = 'in a user or password write / as %2F, ? as %3F, # as %23, @ as %40, % as %25';

/**
 * Says why a text cannot be the URL of a PostgreSQL server.
 *
 * @returns the end of a message that begins with the name of the variable; it quotes nothing of the text.
 *   Undefined for a good URL
 */
export function findDatabaseUrlProblem(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//i.test(text)) return 'must be a URL that begins with postgresql://';
  if (!URL.canParse(text)) return `cannot be read as a URL: ${percentCodes}`;
  const { username, password, pathname, search, hash } = new URL(text);
  // An unescaped /, ? or # in the password ends the host, and the rest is read as the database name.
  const isCut = username === '' && /@/.test(pathname + hash + search.split('=', 1)[0]);
  if (isCut) return `cannot be read, because it has no user before the @: ${percentCodes}`;
  const schema = schemaOf(text);
  if (!isSchemaName.test(schema)) return 'has a schema that is no plain name: a-z, 0-9 and _';
  if (schema === 'public' || schema.startsWith('pg_')) {
    return `cannot have the schema ${schema}: Landfall keeps its tables in a schema of its own, landfall by default`;
  }
  const canDecode = [username, password, pathname].every(isDecodable);
  return canDecode
    ? undefined
    : `cannot be read, because a % in it begins no code: ${percentCodes}`;
}

const isSchemaName = /^[a-z_][a-z0-9_]{0,62}$/;

/** The schema of the tables: the parameter `schema` of the URL, else `landfall`. */
export function schemaOf(databaseUrl: string): string {
  return new URL(databaseUrl).searchParams.get('schema') ?? 'landfall';
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
