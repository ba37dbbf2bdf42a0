import type { z } from 'zod';
import { checkDatabase, checkSettings } from './checks.ts';
import { defaultMaxHeapBytes, defaultReadLanes } from './settings/capacity.ts';
import { maxRecordLength } from './settings/limits.ts';
import { defaultChangedKinds, defaultShutdownDelayMs } from './settings/service.ts';
import { environmentSchema, type ValuesOf } from './settings/setting.ts';
import { databaseCommandSettings, settings } from './settings/settings.ts';

type Values = ValuesOf<typeof settings>;
type TokenValues = Values['auth'];

/** How tokens are checked: with one shared secret, or with the public keys of an issuer. */
export type AuthConfig = Pick<TokenValues, 'claims' | 'defaultScopes'> &
  (
    | {
        readonly mode: 'secret';
        readonly secret: string;
        /** Whether the development tools made the secret. */
        readonly isGeneratedSecret: boolean;
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

/** The members of `Config` that depend on several settings, or on the machine. */
interface DerivedConfig {
  readonly auth: AuthConfig;
  readonly changedKinds: 'refuse' | 'warn';
  readonly shutdownDelayMs: number;
  readonly limits: Values['limits'] & {
    /** Characters of JSON. */
    readonly maxRecordLength: number;
  };
  readonly reads: Values['reads'] & { readonly lanes: number };
  readonly overload: Values['overload'] & { readonly maxHeapBytes: number };
}

/** All settings of the service. `settings/` declares each one. Durations are in milliseconds. */
export interface Config extends DerivedConfig, Omit<Values, keyof DerivedConfig> {}

/** The settings that a command needs which works on the database. */
export type DatabaseConfig = Omit<ValuesOf<typeof databaseCommandSettings>, 'production'>;

/** The environment does not describe a service that can run. The message names each wrong variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the secret that is kept in DATA_DIR, or makes one. */
type DevelopmentSecret = (dataDir: string) => string;

/**
 * Reads and checks the whole environment at once.
 *
 * @param developmentSecret provides the secret where none is set outside of production. Without it the
 *   environment must name a database and a secret.
 * @throws ConfigError
 */
export function loadConfig(
  environment: NodeJS.ProcessEnv,
  developmentSecret?: DevelopmentSecret,
): Config {
  const hasTools = developmentSecret !== undefined;
  const schema = environmentSchema(settings, (values, report) =>
    checkSettings(values, hasTools, report),
  );
  return toConfig(parse(schema, environment), developmentSecret);
}

/**
 * Reads and checks the settings of the database and of its retention.
 *
 * @param hasTools whether the development tools provide a database outside of production
 * @throws ConfigError
 */
export function loadDatabaseConfig(
  environment: NodeJS.ProcessEnv,
  hasTools: boolean,
): DatabaseConfig {
  const schema = environmentSchema(databaseCommandSettings, (values, report) =>
    checkDatabase(values, hasTools, report),
  );
  const { production: _production, ...config } = parse(schema, environment);
  return Object.freeze(config);
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  environment: NodeJS.ProcessEnv,
): z.infer<Schema> {
  // An .env file that is only half filled in sets variables to an empty text.
  const set = Object.entries(environment).filter(([, value]) => value !== '');
  const parsed = schema.safeParse(Object.fromEntries(set));
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new ConfigError(lines.join('\n'));
}

function toConfig(values: Values, developmentSecret: DevelopmentSecret | undefined): Config {
  const { production, databasePoolSize, commitQueue, limits, reads, overload } = values;
  return Object.freeze({
    ...values,
    auth: toAuth(values.auth, () => developmentSecret?.(values.dataDir)),
    changedKinds: values.changedKinds ?? defaultChangedKinds(production),
    shutdownDelayMs: values.shutdownDelayMs ?? defaultShutdownDelayMs(production),
    limits: { ...limits, maxRecordLength: maxRecordLength(limits.maxEventBytes) },
    reads: {
      ...reads,
      lanes: reads.lanes ?? defaultReadLanes(databasePoolSize, commitQueue.lanes),
    },
    overload: { ...overload, maxHeapBytes: overload.maxHeapBytes ?? defaultMaxHeapBytes() },
  });
}

function toAuth(
  { secret: givenSecret, jwksUrl, issuer, audience, ...common }: TokenValues,
  makeSecret: () => string | undefined,
): AuthConfig {
  if (jwksUrl !== undefined && issuer !== undefined && audience !== undefined) {
    return { ...common, mode: 'jwks', jwksUrl, issuer, audience };
  }
  const secret = givenSecret ?? makeSecret();
  if (secret === undefined) throw new ConfigError('JWT_SECRET: is needed');
  const isGeneratedSecret = givenSecret === undefined;
  return { ...common, mode: 'secret', secret, isGeneratedSecret, issuer, audience };
}
