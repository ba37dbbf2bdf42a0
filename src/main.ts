import type { Logger } from 'pino';
import { buildApp } from './app.ts';
import { registeredDevelopmentTools } from './service/development.ts';
import { findDatabase } from './service/find-database.ts';
import { checkShippedSchemas } from './service/check-kind-schemas.ts';
import { fail, runCommand } from './cli/command.ts';
import { type Config, loadConfig } from './config/config.ts';
import { readProcessEnvironment } from './config/process-environment.ts';
import type { KindRegistry } from './domain/kinds/registry.ts';
import { loadKinds } from './service/load-kinds.ts';
import { createLogger } from './observability/logger.ts';
import { createLogOutput, type LogOutput } from './observability/log-output.ts';
import { createRetentionJob } from './retention/retention-job.ts';
import { createRetentionPass } from './retention/retention-pass.ts';
import { stopOnSignal } from './service/shutdown.ts';
import { explainListen, StartError } from './config/start-error.ts';
import { type Database, openDatabase } from './postgres/database.ts';

const parentPollMs = 200;

type Stop = () => Promise<unknown>;

/** The phases of the shutdown, as `stopOnSignal` runs them. */
interface RunningService {
  announce(): void;
  drain(): Promise<unknown>;
  cut(): void;
}

async function main(): Promise<void> {
  const { variables } = readProcessEnvironment();
  const config = loadConfig(variables, registeredDevelopmentTools()?.secret);
  const kinds = await loadKinds(config.kindsFile);
  const pretty = !config.production && process.stdout.isTTY;
  const output = createLogOutput();
  const logger = createLogger({ level: config.logLevel, pretty, destination: output });
  /** What must be stopped, in the order in which it was started. */
  const stops: Stop[] = [];
  const stopAll = async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  try {
    const running = await start(config, kinds, { logger, output }, stops);
    stopOnSignal({ ...running, logger, output, delayMs: config.shutdownDelayMs, release: stopAll });
  } catch (error) {
    // A StartError is one line for the operator. Any other error is logged with its stack.
    if (error instanceof StartError) logger.fatal({ event: 'service.not-started' }, error.message);
    else logger.fatal({ event: 'service.not-started', err: error }, 'the service did not start');
    await stopAll();
    process.exitCode = 1;
    return;
  }
  if (variables.npm_lifecycle_event) stopWithParent();
}

/** Stops the service if npm was killed: npm cannot forward that signal, and the port would stay taken. */
function stopWithParent(): void {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    // The signal is sent only once: a second signal would cut the shutdown short.
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, parentPollMs).unref();
}

async function start(
  config: Config,
  kinds: KindRegistry,
  { logger, output }: { readonly logger: Logger; readonly output: LogOutput },
  stops: Stop[],
): Promise<RunningService> {
  const database = await openDatabase({
    ...(await prepareDatabase(config, logger, stops)),
    poolSize: config.databasePoolSize,
    maxGroupTenants: config.maxGroupTenants,
    hooks: databaseHooks(logger),
  });
  stops.push(() => database.close());
  const { changedKinds } = config;
  await checkShippedSchemas(kinds, database.kindSchemas, { changedKinds, log: logger });
  let isStopping = false;
  const retention = createRetentionJob({
    intervalMs: config.retention.intervalMs,
    run: createRetentionPass(database.retention, config.retention),
    log: logger,
  });
  const app = await buildApp({
    config,
    logger,
    stores: database,
    keys: database.keys,
    kinds,
    readiness: () => readiness(database, isStopping),
    isStopping: () => isStopping,
  });
  let drained: Promise<unknown> | undefined;
  const drain = () => (drained ??= Promise.all([app.close(), retention.stop()]));
  stops.push(drain);
  const url = await app.listen({ host: config.host, port: config.port }).catch((error) => {
    throw explainListen(config, error);
  });
  retention.start();
  logger.info({ event: 'service.started', url, pid: process.pid }, 'the service listens');
  const welcome = registeredDevelopmentTools()?.welcome(url, config.auth, kinds);
  if (welcome !== undefined && !config.production) output.write(welcome);
  return {
    announce: () => (isStopping = true),
    drain,
    cut: () => app.server.closeAllConnections(),
  };
}

async function prepareDatabase(config: Config, log: Logger, stops: Stop[]) {
  const source = await findDatabase(config, log);
  stops.push(() => source.stop());
  return source;
}

async function readiness(database: Database, isStopping: boolean) {
  const checks = { ...(await database.check()), accepting: !isStopping };
  return { ready: Object.values(checks).every(Boolean), checks };
}

function databaseHooks(logger: Logger) {
  return {
    onMigrated: (migrations: readonly string[]) =>
      logger.info({ event: 'database.migrated', migrations }, 'migrations applied'),
    onIdleError: (err: unknown) =>
      logger.warn({ event: 'database.connection-lost', err }, 'an idle connection broke'),
    onRetry: (err: unknown, attempt: number) =>
      logger.warn({ event: 'transaction.retried', attempt, err }, 'a transaction is run again'),
  };
}

/** Reports an error of the environment on stderr, because there is no logger yet. */
function refuse(error: unknown): void {
  process.stderr.write('Landfall cannot start.\n');
  fail(error);
}

const usage = `usage: npm start

It takes no options. Settings come from the environment and from a file .env: see docs/configuration.md.`;

await runCommand({ usage, options: {} }, () => main().catch(refuse));
