import type { Database } from './database.ts';
import type { Dialect } from './dialect.ts';
import type { LocalKinds } from './view.ts';

export interface Server {
  /** Scheme, host and port, and a prefix where there is one; no slash at the end. */
  readonly url: string;
  /** Asked before each request, so that it can renew what is about to expire. */
  readonly token: () => string | Promise<string>;
  readonly fetch?: typeof fetch;
}

/** What every part of the outbox is handed. */
export interface Client extends Server {
  readonly database: Database;
  readonly kinds: LocalKinds;
  readonly dialect: Dialect;
  /** The types of records that it pulls; without them, all. */
  readonly entityTypes?: readonly string[];
  /** Events a push. */
  readonly batchSize: number;
  /** The device's clock, in milliseconds since 1970. */
  readonly clock: () => number;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
}
