import pg, {
  type ClientBase,
  type Connection,
  type QueryArrayConfig,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
} from 'pg';

/** What sends a statement: a connection, or a pipeline that is being filled. */
export interface StatementSender {
  query<Row extends QueryResultRow = QueryResultRow>(
    config: QueryConfig | QueryArrayConfig,
  ): Promise<QueryResult<Row>>;
}

/**
 * The server skipped a statement, because an earlier one of its pipeline failed, or the pipeline was not sent.
 * The cause is that error.
 */
export class StatementSkippedError extends Error {
  override readonly name = 'StatementSkippedError';

  constructor(cause: Error) {
    super('the server skipped this statement of its pipeline', { cause });
  }
}

/**
 * Sends as one pipeline all statements that `send` asks for before it first waits. The statements share one
 * Sync message. With a Sync for each, the server would answer them one by one, and each answer would wake this
 * process, which takes longer than a small statement. Where a statement fails, the server skips the later ones.
 *
 * @throws the error of the first statement that failed. Inside of `send` the later ones reject with
 *   StatementSkippedError. Where the session ended, all statements without an answer reject with its error
 */
export async function runPipelined<Result>(
  client: ClientBase,
  send: (sender: StatementSender) => Promise<Result>,
): Promise<Result> {
  const statements: Statement[] = [];
  let isClosed = false;
  const query = (config: QueryConfig) =>
    new Promise<QueryResult>((resolve, reject) => {
      if (isClosed) throw new Error(`the pipeline was sent without statement ${config.name}`);
      statements.push(createStatement(client, config, resolve, reject));
    });
  const sent = send({ query });
  isClosed = true;
  if (statements.length > 0) client.query(new Pipeline(statements));
  // A caller that waits for several statements may see a skipped one before the one that failed.
  return sent.catch((error) => {
    throw error instanceof StatementSkippedError ? error.cause : error;
  });
}

const clientsWithoutNames = new WeakSet<ClientBase>();

/** From now on the client sends each statement with its text, and the server keeps none of them. */
export function disablePreparedStatements(client: ClientBase): void {
  clientsWithoutNames.add(client);
  const query: (...args: unknown[]) => unknown = client.query.bind(client);
  Object.assign(client, {
    query: (config: unknown, ...rest: unknown[]) =>
      query(isConfig(config) ? withoutName(client, config) : config, ...rest),
  });
}

function isConfig(config: unknown): config is QueryConfig {
  return typeof config === 'object' && config !== null && !(config instanceof pg.Query);
}

function withoutName(client: ClientBase, { name, ...config }: QueryConfig): QueryConfig {
  return clientsWithoutNames.has(client) || name === undefined ? config : { ...config, name };
}

/** The parts of pg's Query that pg has no types for. */
interface PgQuery {
  /** What chooses the parser of a value by its type. pg sets it itself for a query that it was given directly. */
  readonly _result: { _types: Pick<ClientBase, 'getTypeParser'> };
  readonly name: string | undefined;
  readonly text: string;
  /** @returns the reason why the query was not sent, or null */
  submit(connection: Connection): Error | null;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleReadyForQuery(connection: Connection): void;
}

type PgConnection = Connection & { readonly submittedNamedStatements: { [name: string]: unknown } };

interface Statement {
  readonly query: PgQuery;
  readonly reject: (error: Error) => void;
}

function createStatement(
  client: ClientBase,
  config: QueryConfig,
  resolve: (result: QueryResult) => void,
  reject: (error: Error) => void,
): Statement {
  const settle = (error: Error | null | undefined, result: unknown) =>
    error ? reject(error) : resolve(result as QueryResult);
  // The simple protocol would need a round trip for each statement.
  const extended = { ...withoutName(client, config), queryMode: 'extended' };
  const query = new pg.Query(extended, undefined, settle) as unknown as PgQuery;
  query._result._types = client;
  return { query, reject };
}

/**
 * Several statements that pg treats as one query, because they end with one ReadyForQuery. Each message of the
 * server goes to the first statement without an answer. On connections that pipeline pg refuses all queries that
 * are not instances of its own class.
 */
class Pipeline extends pg.Query {
  readonly #statements: readonly Statement[];
  #isSent = false;
  #answered = 0;
  /** pg sets it. The call ends pg's timeout of the query. */
  declare callback: ((error: Error | null) => void) | undefined;

  constructor(statements: readonly Statement[]) {
    super({ text: '' });
    this.#statements = statements;
    // pg reads them to remember which statement was parsed. The constructor of pg.Query sets them as fields.
    Object.defineProperty(this, 'name', { get: () => this.#current?.name });
    Object.defineProperty(this, 'text', { get: () => this.#current?.text });
  }

  get #current(): PgQuery | undefined {
    return this.#statements[this.#answered]?.query;
  }

  override readonly submit = (connection: Connection): null => {
    this.#isSent = true;
    const { chunks, collector } = collectMessages(connection);
    for (const { query } of this.#statements) {
      const refusal = query.submit(collector);
      // Without this statement the answers to the later ones would go to the wrong statements.
      if (refusal) connection.stream.destroy(refusal);
    }
    chunks.push(syncMessage);
    if (connection.stream.writable) connection.stream.write(Buffer.concat(chunks));
    return null;
  };

  handleRowDescription(message: unknown): void {
    this.#current?.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    this.#current?.handleDataRow(message);
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    this.#current?.handleCommandComplete(message, connection);
    this.#current?.handleReadyForQuery(connection);
    this.#answered += 1;
  }

  handleReadyForQuery(): void {
    this.callback?.(null);
  }

  handleError(error: Error, connection: PgConnection): void {
    const unanswered = this.#statements.slice(this.#answered);
    if (this.#isSent) unanswered.shift()?.reject(error);
    // A pooler may report the end of a session after it lost the server's answers: nobody knows what ran.
    const isStatementError = error instanceof pg.DatabaseError && !endsSession(error);
    for (const { query, reject } of unanswered) {
      reject(this.#isSent && !isStatementError ? error : new StatementSkippedError(error));
      // The server did not parse the statement that was sent.
      if (query.name !== undefined) delete connection.submittedNamedStatements[query.name];
    }
    this.callback?.(error);
  }
}

const syncMessage = Buffer.from([0x53, 0, 0, 0, 4]);

/**
 * A connection that keeps the messages in place of sending them, so that all of a pipeline are sent with one write. A
 * write of its own for each message takes longer than many a statement.
 */
function collectMessages(connection: Connection) {
  const chunks: Buffer[] = [];
  const stream = { writable: true, write: (chunk: Buffer) => chunks.push(chunk) };
  const collector: Connection = Object.create(connection, {
    stream: { value: stream },
    bind: { value: (config: BindConfig) => chunks.push(...bindMessage(config)) },
    // All statements share the Sync message at the end of the pipeline.
    sync: { value: () => {} },
  });
  return { chunks, collector };
}

/** What pg gives to its own method `bind`. */
interface BindConfig {
  readonly statement: string | undefined;
  readonly values: readonly unknown[] | undefined;
  readonly valueMapper: (value: unknown) => string | Buffer | null;
}

const bytesOfInt16 = 2;
const bytesOfInt32 = 4;
const binaryFormat = 1;

/**
 * The message Bind for the unnamed portal, with all results as text. Buffers are sent as they are. pg would copy each
 * several times into a buffer that grows.
 */
function bindMessage({ statement = '', values = [], valueMapper }: BindConfig): Buffer[] {
  const parameters = values.map((value) => toParameter(valueMapper(value)));
  // An empty portal name, the name of the statement, and the number and formats of the parameters.
  const name = Buffer.from(`\0${statement}\0`);
  const formats = Buffer.alloc(bytesOfInt16 * (parameters.length + 2));
  formats.writeInt16BE(parameters.length);
  for (const [index, { isBinary }] of parameters.entries()) {
    if (isBinary) formats.writeInt16BE(binaryFormat, bytesOfInt16 * (index + 1));
  }
  formats.writeInt16BE(parameters.length, formats.length - bytesOfInt16);
  const parts = [name, formats, ...parameters.flatMap(({ chunks }) => chunks), textResults];
  const header = Buffer.alloc(1 + bytesOfInt32);
  header.write('B');
  header.writeInt32BE(
    parts.reduce((sum, part) => sum + part.length, bytesOfInt32),
    1,
  );
  return [header, ...parts];
}

/** One format for all results: text. */
const textResults = Buffer.from([0, 1, 0, 0]);
const nullParameter = { isBinary: false, chunks: [Buffer.from([0xff, 0xff, 0xff, 0xff])] };

function toParameter(value: string | Buffer | null) {
  if (value === null) return nullParameter;
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const length = Buffer.allocUnsafe(bytesOfInt32);
  length.writeInt32BE(bytes.length);
  return { isBinary: typeof value !== 'string', chunks: [length, bytes] };
}

/** The SQLSTATE counts too, because the server may translate the severity FATAL. */
function endsSession({ severity, code = '' }: pg.DatabaseError): boolean {
  return severity === 'FATAL' || /^(08|25P0[34]|57P)/.test(code);
}
