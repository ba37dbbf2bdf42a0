import pg, {
  type ClientBase,
  type Connection,
  type QueryArrayConfig,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
} from 'pg';

/** What a statement is sent through: a connection, or a trip that is being put together. */
export interface StatementSender {
  query<Row extends QueryResultRow = QueryResultRow>(
    config: QueryConfig | QueryArrayConfig,
  ): Promise<QueryResult<Row>>;
}

/** A statement that the server did not come to: one before it in its trip failed, or none was sent. */
export class StatementSkippedError extends Error {
  override readonly name = 'NotReached';

  constructor(cause: Error) {
    super('the server did not come to this statement of its trip', { cause });
  }
}

/**
 * Sends all statements that `send` asks for before it first waits as one trip. They share a Sync: with
 * one each, the server would answer one by one, and each answer wakes this process, which takes longer
 * than a small statement does. Where one fails, the server passes over those behind it.
 *
 * @throws what the first that failed was answered with. `send` meets those behind it as NotReached; where
 *   the session ended, all that were not answered as that
 */
export async function runPipelined<Result>(
  client: ClientBase,
  send: (trip: StatementSender) => Promise<Result>,
): Promise<Result> {
  const statements: Statement[] = [];
  let hasLeft = false;
  const query = (config: QueryConfig) =>
    new Promise<QueryResult>((resolve, reject) => {
      if (hasLeft) throw new Error(`the trip has left, without ${config.name}`);
      statements.push(createStatement(client, config, resolve, reject));
    });
  const sent = send({ query });
  hasLeft = true;
  if (statements.length > 0) client.query(new Pipeline(statements));
  // Whoever waits for several of them may hear of those behind the one that failed first.
  return sent.catch((error) => {
    throw error instanceof StatementSkippedError ? error.cause : error;
  });
}

const unnamed = new WeakSet<ClientBase>();

/** From now on each statement is sent whole, and lives no longer than its trip. */
export function disablePreparedStatements(client: ClientBase): void {
  unnamed.add(client);
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
  return unnamed.has(client) || name === undefined ? config : { ...config, name };
}

/** The messages that a query of pg's is sent with, and answered with. */
interface PgQuery {
  /** Reads values by their types, as pg has it for a query that it is given itself. */
  readonly _result: { _types: Pick<ClientBase, 'getTypeParser'> };
  readonly name: string | undefined;
  readonly text: string;
  /** @returns why it was not sent */
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
  // A simple query would be a trip of its own.
  const extended = { ...withoutName(client, config), queryMode: 'extended' };
  const query = new pg.Query(extended, undefined, settle) as unknown as PgQuery;
  query._result._types = client;
  return { query, reject };
}

/**
 * To pg one query, as it is answered once; each message goes to the statement whose turn it is. pg refuses
 * queries that are not its own on connections that pipeline, so it is one of them.
 */
class Pipeline extends pg.Query {
  readonly #statements: readonly Statement[];
  #isSent = false;
  #answered = 0;
  /** Set by pg, to end its watch. */
  declare callback: ((error: Error | null) => void) | undefined;

  constructor(statements: readonly Statement[]) {
    super({ text: '' });
    this.#statements = statements;
    // By them pg knows which statement was parsed. Its own constructor has set them.
    Object.defineProperty(this, 'name', { get: () => this.#current?.name });
    Object.defineProperty(this, 'text', { get: () => this.#current?.text });
  }

  get #current(): PgQuery | undefined {
    return this.#statements[this.#answered]?.query;
  }

  override readonly submit = (connection: Connection): null => {
    const withoutSync: Connection = Object.create(connection, { sync: { value: () => {} } });
    this.#isSent = true;
    connection.stream.cork();
    for (const { query } of this.#statements) {
      const refused = query.submit(withoutSync);
      // The answers to the others would be taken for each other's.
      if (refused) connection.stream.destroy(refused);
    }
    connection.sync();
    connection.stream.uncork();
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
    const rest = this.#statements.slice(this.#answered);
    if (this.#isSent) rest.shift()?.reject(error);
    // The end of a session may come from a pooler, which lost the server's answers: then nothing is known.
    const isOfStatement = error instanceof pg.DatabaseError && !endsSession(error);
    for (const { query, reject } of rest) {
      reject(this.#isSent && !isOfStatement ? error : new StatementSkippedError(error));
      // It was sent, and never parsed.
      if (query.name !== undefined) delete connection.submittedNamedStatements[query.name];
    }
    this.callback?.(error);
  }
}

/** By its code as well, as the server may say FATAL in its own language. */
function endsSession({ severity, code = '' }: pg.DatabaseError): boolean {
  return severity === 'FATAL' || /^(08|25P0[34]|57P)/.test(code);
}
