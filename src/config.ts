import { parse as parseDuration } from '@lukeed/ms';
import { z } from 'zod';

const minSecretBytes = 32;

const count = (fallback: number) => z.coerce.number().int().min(1).default(fallback);

const duration = z.string().transform((text, context) => {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  context.addIssue(`${JSON.stringify(text)} is not a duration such as 90d, 12h or 30m`);
  return z.NEVER;
});

const variablesSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce
    .number({ error: 'must be a port, 0 to 65535' })
    .int()
    .min(0)
    .max(65_535)
    .default(3000),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be a URL that begins with postgresql://' })
    .optional(),
  DATABASE_POOL_SIZE: count(10),
  DATA_DIR: z.string().min(1).default('.data'),
  KINDS: z.string().min(1).optional(),
  JWT_SECRET: z
    .string()
    .refine((secret) => Buffer.byteLength(secret) >= minSecretBytes, {
      message: `must be at least ${minSecretBytes} bytes`,
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
  TOMBSTONE_RETENTION: duration.prefault('90d'),
  EVENT_RETENTION: duration.optional(),
  RETENTION_INTERVAL: duration.prefault('1h'),
  COMMIT_LANES: count(2),
  MAX_GROUP_EVENTS: count(500),
  MAX_GROUP_BYTES: count(4_194_304),
  MAX_TENANT_BATCHES: count(100),
  MAX_QUEUED_EVENTS: count(20_000),
  MAX_QUEUED_BYTES: count(67_108_864),
});

/** What only several variables together can get wrong. */
const environmentSchema = variablesSchema.superRefine((env, context) => {
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  if (env.JWKS_URL !== undefined) {
    if (env.JWT_SECRET !== undefined) refuse('JWKS_URL', 'cannot be set beside JWT_SECRET');
    if (env.JWT_ISSUER === undefined) refuse('JWT_ISSUER', 'is needed with JWKS_URL');
    if (env.JWT_AUDIENCE === undefined) refuse('JWT_AUDIENCE', 'is needed with JWKS_URL');
  }
  if (env.NODE_ENV !== 'production') return;
  if (env.DATABASE_URL === undefined) refuse('DATABASE_URL', 'is needed in production');
  if (env.JWT_SECRET === undefined && env.JWKS_URL === undefined) {
    const ways = `JWT_SECRET (at least ${minSecretBytes} bytes), or JWKS_URL with JWT_ISSUER and JWT_AUDIENCE`;
    refuse('JWT_SECRET', `production needs ${ways}`);
  }
});

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
  // A variable set to nothing, as in an .env file that was only half filled in, is not set.
  const set = Object.entries(environment).filter(([, value]) => value !== '');
  const parsed = environmentSchema.safeParse(Object.fromEntries(set));
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new ConfigError(lines.join('\n'));
  }
  return toConfig(parsed.data, developmentSecret);
}

function toConfig(env: Environment, developmentSecret: (dataDir: string) => string): Config {
  return Object.freeze({
    production: env.NODE_ENV === 'production',
    host: env.HOST,
    port: env.PORT,
    logLevel: env.LOG_LEVEL,
    databaseUrl: env.DATABASE_URL,
    databasePoolSize: env.DATABASE_POOL_SIZE,
    dataDir: env.DATA_DIR,
    kindsFile: env.KINDS,
    auth: toAuth(env, developmentSecret),
    limits: {
      maxBatchEvents: env.MAX_BATCH_EVENTS,
      maxEventBytes: env.MAX_EVENT_BYTES,
      maxBodyBytes: env.MAX_BODY_BYTES,
      maxEventAgeMs: env.MAX_EVENT_AGE ?? null,
    },
    retention: {
      tombstoneMs: env.TOMBSTONE_RETENTION,
      eventMs: env.EVENT_RETENTION ?? null,
      intervalMs: env.RETENTION_INTERVAL,
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
