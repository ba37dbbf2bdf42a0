import { getHeapStatistics } from 'node:v8';
import type { z } from 'zod';
import type { TrustProxy } from './network-settings.ts';
import type { ClaimNames } from './token-settings.ts';
import {
  type DatabaseEnvironment,
  databaseEnvironmentSchema,
  type Environment,
  environmentSchema,
  spareConnections,
} from './environment.ts';

/** Of an event's bound: what a kind makes of a payload may be longer than the payload. */
const recordShare = 2;
/** Of what V8 allows itself, which follows the memory of the container. */
const heapShare = 0.8;

/** How tokens are checked: against one shared secret, or against the issuer's published keys. */
export type AuthConfig = {
  readonly claims: ClaimNames;
  /** Of tokens whose issuer gives none. */
  readonly defaultScopes: readonly string[];
} & (
  | {
      readonly mode: 'secret';
      readonly secret: string;
      /** The service made it, and whoever set its environment did not. */
      readonly isOwnSecret: boolean;
      readonly issuer: string | undefined;
      readonly audience: string | undefined;
    }
  | {
      readonly mode: 'jwks';
      readonly jwksUrl: string;
      readonly issuer: string;
      readonly audience: string;
    }
);

/** What the service asks of a request before it reads the body. */
export interface EdgeConfig {
  readonly trustProxy: TrustProxy;
  /** Origins whose pages may read the answers; none: no CORS at all. */
  readonly corsOrigins: readonly string[];
  /** Requests a minute; null: no limit. */
  readonly rateLimits: {
    readonly address: number | null;
    readonly tenant: number | null;
    readonly subject: number | null;
  };
}

export interface Config {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  readonly logLevel: Environment['LOG_LEVEL'];
  /** Undefined: the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  /** Of the tables' owner, past any pooler; undefined: the same. */
  readonly directDatabaseUrl: string | undefined;
  readonly preparedStatements: boolean;
  readonly databasePoolSize: number;
  /** Where development keeps its database and its secret. */
  readonly dataDir: string;
  /** The module that lists the kinds; undefined: those that come with Landfall. */
  readonly kindsFile: string | undefined;
  /** What a start does where the schema of a shipped version was changed in place. */
  readonly changedKinds: 'refuse' | 'warn';
  readonly auth: AuthConfig;
  readonly limits: {
    readonly maxBatchEvents: number;
    readonly maxEventBytes: number;
    readonly maxBodyBytes: number;
    readonly maxAnswerBytes: number;
    readonly maxEventAgeMs: number | null;
    /** Characters of JSON. */
    readonly maxRecordLength: number;
  };
  readonly edge: EdgeConfig;
  /** From the moment that /readyz says 503 to that at which no connection is taken any more. */
  readonly shutdownDelayMs: number;
  readonly retention: {
    readonly tombstoneMs: number;
    /** Null: events keep their payload. */
    readonly eventMs: number | null;
    readonly intervalMs: number;
  };
  /** Tenants that one transaction may span; Infinity: no bound. */
  readonly maxGroupTenants: number;
  readonly groupCommit: {
    readonly lanes: number;
    readonly maxGroupEvents: number;
    readonly maxGroupBytes: number;
    readonly maxTenantBatches: number;
    readonly maxQueuedEvents: number;
    readonly maxQueuedBytes: number;
  };
  readonly reads: {
    readonly lanes: number;
    readonly maxTenantReads: number;
    readonly maxQueuedReads: number;
  };
  /** From where on requests are refused before they are read. */
  readonly overload: {
    readonly maxEventLoopDelayMs: number;
    readonly maxHeapBytes: number;
  };
}

/** What a command needs that tidies the database. */
export type DatabaseConfig = Pick<
  Config,
  'databaseUrl' | 'directDatabaseUrl' | 'preparedStatements' | 'dataDir' | 'retention'
>;

/** The environment does not describe a service that can run. The message names every variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Finds or makes the secret that is kept in DATA_DIR. */
type DevelopmentSecret = (dataDir: string) => string;

/**
 * Reads and checks the whole environment at once.
 *
 * @param developmentSecret asked for a secret where none is set, outside of production; without it the
 *   settings have to name a database and a secret
 * @throws ConfigError
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv,
  developmentSecret?: DevelopmentSecret,
): Config {
  const hasTools = developmentSecret !== undefined;
  return toConfig(parse(environmentSchema(hasTools), environment), developmentSecret);
}

/**
 * Reads and checks of the environment what says where the database is, and what it keeps.
 *
 * @throws ConfigError
 */
export function loadDatabaseConfig(
  environment: NodeJS.ProcessEnv,
  hasTools: boolean,
): DatabaseConfig {
  const env = parse(databaseEnvironmentSchema(hasTools), environment);
  return Object.freeze(toDatabaseConfig(env));
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  environment: NodeJS.ProcessEnv,
): z.infer<Schema> {
  // A variable set to nothing, as in an .env file that was only half filled in, is not set.
  const set = Object.entries(environment).filter(([, value]) => value !== '');
  const parsed = schema.safeParse(Object.fromEntries(set));
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new ConfigError(lines.join('\n'));
}

function toDatabaseConfig(env: DatabaseEnvironment): DatabaseConfig {
  return {
    databaseUrl: env.DATABASE_URL,
    directDatabaseUrl: env.DIRECT_DATABASE_URL,
    preparedStatements: env.PREPARED_STATEMENTS === 'on',
    dataDir: env.DATA_DIR,
    retention: {
      tombstoneMs: env.TOMBSTONE_RETENTION,
      eventMs: env.EVENT_RETENTION ?? null,
      intervalMs: env.RETENTION_INTERVAL,
    },
  };
}

function toConfig(env: Environment, developmentSecret: DevelopmentSecret | undefined): Config {
  return Object.freeze({
    ...toDatabaseConfig(env),
    production: env.NODE_ENV === 'production',
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    shutdownDelayMs: env.SHUTDOWN_DELAY ?? (env.NODE_ENV === 'production' ? 5_000 : 0),
    kindsFile: env.KINDS,
    changedKinds: env.CHANGED_KINDS ?? (env.NODE_ENV === 'production' ? 'refuse' : 'warn'),
    auth: toAuth(env, developmentSecret),
    limits: {
      maxBatchEvents: env.MAX_BATCH_EVENTS,
      maxEventBytes: env.MAX_EVENT_BYTES,
      maxBodyBytes: env.MAX_BODY_BYTES,
      maxAnswerBytes: env.MAX_ANSWER_BYTES,
      maxEventAgeMs: env.MAX_EVENT_AGE ?? null,
      maxRecordLength: recordShare * env.MAX_EVENT_BYTES,
    },
    edge: {
      trustProxy: env.TRUST_PROXY ?? false,
      corsOrigins: env.CORS_ORIGINS ?? [],
      rateLimits: {
        address: env.RATE_LIMIT_ADDRESS,
        tenant: env.RATE_LIMIT_TENANT,
        subject: env.RATE_LIMIT_SUBJECT,
      },
    },
    maxGroupTenants: env.GROUP_TENANTS,
    groupCommit: {
      lanes: env.COMMIT_LANES,
      maxGroupEvents: env.MAX_GROUP_EVENTS,
      maxGroupBytes: env.MAX_GROUP_BYTES,
      maxTenantBatches: env.MAX_TENANT_BATCHES,
      maxQueuedEvents: env.MAX_QUEUED_EVENTS,
      maxQueuedBytes: env.MAX_QUEUED_BYTES,
    },
    reads: {
      lanes: env.READ_LANES ?? env.DATABASE_POOL_SIZE - env.COMMIT_LANES - spareConnections,
      maxTenantReads: env.MAX_TENANT_READS,
      maxQueuedReads: env.MAX_QUEUED_READS,
    },
    overload: {
      maxEventLoopDelayMs: env.MAX_EVENT_LOOP_DELAY,
      maxHeapBytes:
        env.MAX_HEAP_BYTES ?? Math.floor(getHeapStatistics().heap_size_limit * heapShare),
    },
  });
}

function toAuth(env: Environment, developmentSecret: DevelopmentSecret | undefined): AuthConfig {
  const ofTokens = {
    claims: {
      tenant: env.JWT_TENANT_CLAIM,
      device: env.JWT_DEVICE_CLAIM,
      subject: env.JWT_SUBJECT_CLAIM,
      scopes: env.JWT_SCOPE_CLAIM,
    },
    defaultScopes: env.JWT_DEFAULT_SCOPES,
  };
  const { JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = env;
  if (jwksUrl !== undefined && issuer !== undefined && audience !== undefined) {
    return { ...ofTokens, mode: 'jwks', jwksUrl, issuer, audience };
  }
  const secret = env.JWT_SECRET ?? developmentSecret?.(env.DATA_DIR);
  if (secret === undefined) throw new ConfigError('JWT_SECRET: is needed');
  const isOwnSecret = env.JWT_SECRET === undefined;
  return { ...ofTokens, mode: 'secret', secret, isOwnSecret, issuer, audience };
}
