import { z } from 'zod';
import { readDuration } from './duration.ts';

const minSecretBytes = 32;
/** PEM, or a JWK. */
const publicMaterial = /-----BEGIN |"kty"\s*:/;

const count = (fallback: number) => z.coerce.number().int().min(1).default(fallback);

const duration = z.string().transform((text, context) => {
  const milliseconds = readDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  context.addIssue(`${JSON.stringify(text)} is not a duration such as 90d, 12h or 30m`);
  return z.NEVER;
});

/** All that a command needs which tidies the database: it checks no token. */
const databaseVariablesSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be a URL that begins with postgresql://' })
    .optional(),
  DATA_DIR: z.string().min(1).default('.data'),
  TOMBSTONE_RETENTION: duration.prefault('90d'),
  EVENT_RETENTION: duration.optional(),
  RETENTION_INTERVAL: duration.prefault('1h'),
});

const variablesSchema = databaseVariablesSchema.extend({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce
    .number({ error: 'must be a port, 0 to 65535' })
    .int()
    .min(0)
    .max(65_535)
    .default(3000),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DATABASE_POOL_SIZE: count(10),
  KINDS: z.string().min(1).optional(),
  JWT_SECRET: z
    .string()
    .refine((secret) => Buffer.byteLength(secret) >= minSecretBytes, {
      message: `must be at least ${minSecretBytes} bytes`,
    })
    .refine((secret) => !publicMaterial.test(secret), {
      message: 'must be random bytes, not a key or certificate: whoever can read those could sign',
    })
    .optional(),
  JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: z.string().min(1).optional(),
  JWT_TENANT_CLAIM: z.string().min(1).default('tenant'),
  MAX_BATCH_EVENTS: count(500),
  MAX_EVENT_BYTES: count(65_536),
  MAX_BODY_BYTES: count(4_194_304),
  MAX_EVENT_AGE: duration.optional(),
  COMMIT_LANES: count(2),
  MAX_GROUP_EVENTS: count(500),
  MAX_GROUP_BYTES: count(4_194_304),
  MAX_TENANT_BATCHES: count(100),
  MAX_QUEUED_EVENTS: count(20_000),
  MAX_QUEUED_BYTES: count(67_108_864),
});

type DatabaseEnvironment = z.infer<typeof databaseVariablesSchema>;

/** What only several variables together can get wrong. */
const databaseEnvironmentSchema = databaseVariablesSchema.superRefine(checkDatabase);

const environmentSchema = variablesSchema.superRefine((env, context) => {
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  checkDatabase(env, context);
  if (env.JWKS_URL !== undefined) {
    if (env.JWT_SECRET !== undefined) refuse('JWKS_URL', 'cannot be set beside JWT_SECRET');
    if (env.JWT_ISSUER === undefined) refuse('JWT_ISSUER', 'is needed with JWKS_URL');
    if (env.JWT_AUDIENCE === undefined) refuse('JWT_AUDIENCE', 'is needed with JWKS_URL');
  }
  if (env.NODE_ENV !== 'production') return;
  if (env.JWT_SECRET === undefined && env.JWKS_URL === undefined) {
    const ways = `JWT_SECRET (at least ${minSecretBytes} bytes), or JWKS_URL with JWT_ISSUER and JWT_AUDIENCE`;
    refuse('JWT_SECRET', `production needs ${ways}`);
  }
});

function checkDatabase(env: DatabaseEnvironment, context: z.RefinementCtx): void {
  if (env.NODE_ENV !== 'production' || env.DATABASE_URL !== undefined) return;
  context.addIssue({ code: 'custom', path: ['DATABASE_URL'], message: 'is needed in production' });
}

type Environment = z.infer<typeof environmentSchema>;

/** How tokens are checked: against one shared secret, or against the issuer's published keys. */
export type AuthConfig = { readonly tenantClaim: string } & (
  | {
      readonly mode: 'secret';
      readonly secret: string;
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

export interface Config {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  readonly logLevel: Environment['LOG_LEVEL'];
  /** Undefined: the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly databasePoolSize: number;
  /** Where development keeps its database and its secret. */
  readonly dataDir: string;
  /** The module that lists the kinds; undefined: those that come with Landfall. */
  readonly kindsFile: string | undefined;
  readonly auth: AuthConfig;
  readonly limits: {
    readonly maxBatchEvents: number;
    readonly maxEventBytes: number;
    readonly maxBodyBytes: number;
    readonly maxEventAgeMs: number | null;
  };
  readonly retention: {
    readonly tombstoneMs: number;
    /** Null: events keep their payload. */
    readonly eventMs: number | null;
    readonly intervalMs: number;
  };
  readonly groupCommit: {
    readonly lanes: number;
    readonly maxGroupEvents: number;
    readonly maxGroupBytes: number;
    readonly maxTenantBatches: number;
    readonly maxQueuedEvents: number;
    readonly maxQueuedBytes: number;
  };
}

/** What a command needs that tidies the database. */
export type DatabaseConfig = Pick<Config, 'databaseUrl' | 'dataDir' | 'retention'>;

/** The environment does not describe a service that can run. The message names every variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads and checks the whole environment at once.
 *
 * @param developmentSecret asked for a secret where none is set, outside of production
 * @throws ConfigError
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv,
  developmentSecret: (dataDir: string) => string,
): Config {
  return toConfig(parse(environmentSchema, environment), developmentSecret);
}

/**
 * Reads and checks of the environment what says where the database is, and what it keeps.
 *
 * @throws ConfigError
 */
export function loadDatabaseConfig(environment: NodeJS.ProcessEnv): DatabaseConfig {
  return Object.freeze(toDatabaseConfig(parse(databaseEnvironmentSchema, environment)));
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
    dataDir: env.DATA_DIR,
    retention: {
      tombstoneMs: env.TOMBSTONE_RETENTION,
      eventMs: env.EVENT_RETENTION ?? null,
      intervalMs: env.RETENTION_INTERVAL,
    },
  };
}

function toConfig(env: Environment, developmentSecret: (dataDir: string) => string): Config {
  return Object.freeze({
    ...toDatabaseConfig(env),
    production: env.NODE_ENV === 'production',
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    kindsFile: env.KINDS,
    auth: toAuth(env, developmentSecret),
    limits: {
      maxBatchEvents: env.MAX_BATCH_EVENTS,
      maxEventBytes: env.MAX_EVENT_BYTES,
      maxBodyBytes: env.MAX_BODY_BYTES,
      maxEventAgeMs: env.MAX_EVENT_AGE ?? null,
    },
    groupCommit: {
      lanes: env.COMMIT_LANES,
      maxGroupEvents: env.MAX_GROUP_EVENTS,
      maxGroupBytes: env.MAX_GROUP_BYTES,
      maxTenantBatches: env.MAX_TENANT_BATCHES,
      maxQueuedEvents: env.MAX_QUEUED_EVENTS,
      maxQueuedBytes: env.MAX_QUEUED_BYTES,
    },
  });
}

function toAuth(env: Environment, developmentSecret: (dataDir: string) => string): AuthConfig {
  const tenantClaim = env.JWT_TENANT_CLAIM;
  const { JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = env;
  if (jwksUrl !== undefined && issuer !== undefined && audience !== undefined) {
    return { mode: 'jwks', tenantClaim, jwksUrl, issuer, audience };
  }
  const secret = env.JWT_SECRET ?? developmentSecret(env.DATA_DIR);
  return { mode: 'secret', tenantClaim, secret, issuer, audience };
}
