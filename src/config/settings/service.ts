import { z } from 'zod';
import { parseDuration } from '../duration.ts';
import { nonEmptyText } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

const maxPort = 65_535;
const portProblem = `must be a port, 0 to ${maxPort}`;

const port = z
  .string()
  .regex(/^\d{1,5}$/, portProblem)
  .transform(Number)
  .refine((number) => number <= maxPort, portProblem);

/** A shutdown may take 30 seconds. The rest of them must be enough for the requests under way. */
const maxShutdownDelayMs = 10_000;

const shutdownDelay = z.string().transform((text, context) => {
  const milliseconds = text === '0s' ? 0 : parseDuration(text);
  if (milliseconds !== undefined && milliseconds <= maxShutdownDelayMs) return milliseconds;
  context.addIssue(`${JSON.stringify(text)} is not a duration from 0s to 10s`);
  return z.NEVER;
});

export const serviceSettings = {
  production: setting({
    variable: 'NODE_ENV',
    schema: z
      .enum(['development', 'test', 'production'])
      .transform((mode) => mode === 'production'),
    default: 'development',
    summary: 'The mode of the service: `development`, `test` or `production`.',
    details:
      'In production the service starts no embedded database, makes no secret, and prints no ' +
      'welcome text. `test` is the same as `development`.',
  }),
  host: setting({
    variable: 'HOST',
    schema: nonEmptyText,
    default: '127.0.0.1',
    summary: 'The address that the service listens on.',
    details: '`0.0.0.0` means all addresses of the machine.',
  }),
  port: setting({
    variable: 'PORT',
    schema: port,
    default: '3000',
    summary: 'The port that the service listens on.',
    details: 'With `0` the operating system chooses a free port.',
  }),
  logLevel: setting({
    variable: 'LOG_LEVEL',
    schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    default: 'info',
    summary: 'The lowest level of the log lines that are written.',
    details:
      'The levels are those of pino: `fatal`, `error`, `warn`, `info`, `debug` and `trace`, or `silent` ' +
      'for no lines. `debug` adds the lines of health probes.',
  }),
  shutdownDelayMs: optionalSetting({
    variable: 'SHUTDOWN_DELAY',
    schema: shutdownDelay,
    whenUnset: undefined,
    defaultText: '`5s` in production, else `0s`',
    example: '5s',
    unit: 'duration',
    summary: 'The time between the first 503 of `/readyz` and the end of new connections.',
    details:
      'A load balancer has to notice the 503 within this time. At most `10s`. ' +
      'See [Stopping](operations.md#stopping).',
  }),
  kindsFile: optionalSetting({
    variable: 'KINDS',
    schema: nonEmptyText,
    whenUnset: undefined,
    example: './my-kinds.ts',
    summary: 'A module whose default export is the list of kinds.',
    details:
      'These kinds replace the kinds that come with Landfall: see [kinds.md](kinds.md). ' +
      'A relative path starts at the working folder of the service.',
  }),
  changedKinds: optionalSetting({
    variable: 'CHANGED_KINDS',
    schema: z.enum(['refuse', 'warn']),
    whenUnset: undefined,
    defaultText: '`refuse` in production, else `warn`',
    example: 'refuse',
    summary: 'What a start does when the schema of a shipped version was changed in place.',
    details:
      "The schema is that of a kind's payload or of an entity type's data. `refuse`: the service " +
      'does not start. `warn`: the service logs [kind.changed](log-reference.md#kindchanged) and keeps the new schema as the ' +
      'shipped one. See [Changed kinds](operations.md#changed-kinds).',
  }),
};

export function defaultShutdownDelayMs(production: boolean): number {
  return production ? 5_000 : 0;
}

export function defaultChangedKinds(production: boolean): 'refuse' | 'warn' {
  return production ? 'refuse' : 'warn';
}
