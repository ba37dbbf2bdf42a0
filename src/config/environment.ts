import { z } from 'zod';
import { findDatabaseUrlProblem } from './database-url.ts';
import { parseDuration } from './duration.ts';
import { originsSchema, rateSchema, trustProxySchema } from './network-settings.ts';
import { findSecretProblem, minSecretBytes } from './jwt-secret.ts';
import { claimListSchema, scopeListSchema } from './token-settings.ts';

const maxPort = 65_535;
const portFault = `must be a port, 0 to ${maxPort}`;
/** What remains of a shutdown's 30 seconds must do for the requests under way. */
const maxShutdownDelayMs = 10_000;

/** For a tenant that goes apart from the others. */
export const spareConnections = 1;

const wholeNumber = z.coerce.number().int().min(1);
const count = (fallback: number) => wholeNumber.default(fallback);

const duration = z.string().transform((text, context) => {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  context.addIssue(`${JSON.stringify(text)} is not a duration such as 90d, 12h or 30m`);
  return z.NEVER;
});

const shutdownDelay = z.string().transform((text, context) => {
  const milliseconds = text === '0s' ? 0 : parseDuration(text);
  if (milliseconds !== undefined && milliseconds <= maxShutdownDelayMs) return milliseconds;
  context.addIssue(`${JSON.stringify(text)} is not a duration from 0s to 10s`);
  return z.NEVER;
});

const postgresUrl = z.string().superRefine((text, context) => {
  const fault = findDatabaseUrlProblem(text);
  if (fault !== undefined) context.addIssue(fault);
});

/** All that a command needs which tidies the database: it checks no token. */
const databaseVariablesSchema = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  DATABASE_URL: postgresUrl.optional(),
  DIRECT_DATABASE_URL: postgresUrl.optional(),
  PREPARED_STATEMENTS: z.enum(['on', 'off']).default('on'),
  DATA_DIR: z.string().min(1).default('.data'),
  TOMBSTONE_RETENTION: duration.prefault('90d'),
  EVENT_RETENTION: duration.optional(),
  RETENTION_INTERVAL: duration.prefault('1h'),
});

const variablesSchema = databaseVariablesSchema.extend({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z
    .string()
    .regex(/^\d{1,5}$/, portFault)
    .transform(Number)
    .refine((port) => port <= maxPort, portFault)
    .prefault('3000'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  DATABASE_POOL_SIZE: count(10),
  KINDS: z.string().min(1).optional(),
  CHANGED_KINDS: z.enum(['refuse', 'warn']).optional(),
  JWT_SECRET: z
    .string()
    .superRefine((secret, context) => {
      const fault = findSecretProblem(secret);
      if (fault !== undefined) context.addIssue(fault);
    })
    .optional(),
  JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: z.string().min(1).optional(),
  JWT_TENANT_CLAIM: z.string().min(1).default('tenant'),
  JWT_DEVICE_CLAIM: z.string().min(1).default('device'),
  JWT_SUBJECT_CLAIM: z.string().min(1).default('sub'),
  JWT_SCOPE_CLAIM: claimListSchema.prefault('scope,scp,permissions'),
  JWT_DEFAULT_SCOPES: scopeListSchema.prefault(''),
  MAX_BATCH_EVENTS: count(500),
  MAX_EVENT_BYTES: count(65_536),
  MAX_BODY_BYTES: count(4_194_304),
  MAX_ANSWER_BYTES: count(4_194_304),
  MAX_EVENT_AGE: duration.optional(),
  COMMIT_LANES: count(2),
  GROUP_TENANTS: count(Infinity),
  MAX_GROUP_EVENTS: count(500),
  MAX_GROUP_BYTES: count(4_194_304),
  MAX_TENANT_BATCHES: count(100),
  MAX_QUEUED_EVENTS: count(20_000),
  MAX_QUEUED_BYTES: count(16_777_216),
  READ_LANES: wholeNumber.optional(),
  MAX_TENANT_READS: count(100),
  MAX_QUEUED_READS: count(1_000),
  MAX_EVENT_LOOP_DELAY: duration.prefault('500ms'),
  MAX_HEAP_BYTES: wholeNumber.optional(),
  TRUST_PROXY: trustProxySchema.optional(),
  CORS_ORIGINS: originsSchema.optional(),
  RATE_LIMIT_ADDRESS: rateSchema.prefault(60_000),
  RATE_LIMIT_TENANT: rateSchema.prefault(30_000),
  RATE_LIMIT_SUBJECT: rateSchema.prefault(6_000),
  SHUTDOWN_DELAY: shutdownDelay.optional(),
});

export type DatabaseEnvironment = z.infer<typeof databaseVariablesSchema>;

/**
 * Also checks what only several variables together can get wrong.
 *
 * @param hasTools whether the development tools bring a database and a secret outside of production
 */
export function databaseEnvironmentSchema(hasTools: boolean) {
  return databaseVariablesSchema.superRefine((env, context) =>
    checkDatabase(env, context, hasTools),
  );
}

/** The same for all variables. */
export function environmentSchema(hasTools: boolean) {
  return variablesSchema.superRefine((env, context) => checkAll(env, context, hasTools));
}

function checkAll(
  env: z.infer<typeof variablesSchema>,
  context: z.RefinementCtx,
  hasTools: boolean,
): void {
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  checkDatabase(env, context, hasTools);
  if (env.COMMIT_LANES + (env.READ_LANES ?? 1) + spareConnections > env.DATABASE_POOL_SIZE) {
    const needs = 'COMMIT_LANES, READ_LANES and one connection more';
    refuse('DATABASE_POOL_SIZE', `is too small for ${needs}`);
  }
  if (env.JWKS_URL !== undefined) {
    if (env.JWT_SECRET !== undefined) refuse('JWKS_URL', 'cannot be set beside JWT_SECRET');
    if (env.JWT_ISSUER === undefined) refuse('JWT_ISSUER', 'is needed with JWKS_URL');
    if (env.JWT_AUDIENCE === undefined) refuse('JWT_AUDIENCE', 'is needed with JWKS_URL');
  }
  if (env.NODE_ENV !== 'production' && hasTools) return;
  if (env.JWT_SECRET === undefined && env.JWKS_URL === undefined) {
    const ways = `JWT_SECRET (at least ${minSecretBytes} bytes), or JWKS_URL with JWT_ISSUER and JWT_AUDIENCE`;
    const who = env.NODE_ENV === 'production' ? 'production' : 'a service without npm start';
    refuse('JWT_SECRET', `${who} needs ${ways}`);
  }
}

function checkDatabase(
  env: DatabaseEnvironment,
  context: z.RefinementCtx,
  hasTools: boolean,
): void {
  if (env.DATABASE_URL !== undefined) return;
  const refuse = (message: string) =>
    context.addIssue({ code: 'custom', path: ['DATABASE_URL'], message });
  if (env.NODE_ENV === 'production') refuse('is needed in production');
  else if (!hasTools) refuse('is needed: only npm start and npm run bring a database');
  else if (env.DIRECT_DATABASE_URL !== undefined) refuse('is needed with DIRECT_DATABASE_URL');
}

export type Environment = z.infer<typeof variablesSchema>;
