import type { Logger } from 'pino';
import { buildApp } from './app.ts';
import { developmentTools } from './service/development.ts';
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

/** What is stopped first, in phases. */
interface Running {
  announce(): void;
  drain(): Promise<unknown>;
  cut(): void;
}

async function main(): Promise<void> {
  const { variables } = readProcessEnvironment();
  const config = loadConfig(variables, developmentTools()?.secret);
  const kinds = await loadKinds(config.kindsFile);
  const pretty = !config.production && process.stdout.isTTY;
  const output = createLogOutput();
  const logger = createLogger({ level: config.logLevel, pretty, destination: output });
  /** In reverse order of starting. */
  const stops: Stop[] = [];
  const stopAll = async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  try {
    const running = await start(config, kinds, { logger, output }, stops);
    stopOnSignal({ ...running, logger, output, delayMs: config.shutdownDelayMs, release: stopAll });
  } catch (error) {
    // What whoever set the environment can mend is one line; anything else wants its stack.
    if (error instanceof StartError) logger.fatal({ event: 'service.not-started' }, error.message);
    else logger.fatal({ event: 'service.not-started', err: error }, 'the service did not start');
    await stopAll();
    process.exitCode = 1;
    return;
  }
  if (variables.npm_lifecycle_event) stopWithParent();
}

/** A killed npm cannot pass the signal on, and the next `npm start` would find the port taken. */
function stopWithParent(): void {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    // Once only: a second signal would cut the stop short.
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, parentPollMs).unref();
}

async function start(
  config: Config,
  kinds: KindRegistry,
  { logger, output }: { readonly logger: Logger; readonly output: LogOutput },
  stops: Stop[],
): Promise<Running> {
  const database = await openDatabase({
    ...(await whichDatabase(config, logger, stops)),
    poolSize: config.databasePoolSize,
    hooks: databaseHooks(logger),
  });
  stops.push(() => database.close());
  const { changedKinds } = config;
  await checkShippedSchemas(kinds, database.kindSchemas, { changedKinds, log: logger });
  let stopping = false;
  const retention = createRetentionJob({
    intervalMs: config.retention.intervalMs,
    run: createRetentionPass(database.retention, config.retention),
    log: logger,
  });
  const app = await buildApp({
    config,
    logger,
    ingest: database.ingest,
    feed: database.feed,
    audit: database.audit,
    keys: database.keys,
    kinds,
    readiness: () => readiness(database, stopping),
    isStopping: () => stopping,
  });
  let drained: Promise<unknown> | undefined;
  const drain = () => (drained ??= Promise.all([app.close(), retention.stop()]));
  stops.push(drain);
  const url = await app.listen({ host: config.host, port: config.port }).catch((error) => {
    throw explainListen(config, error);
  });
  retention.start();
  logger.info({ event: 'service.started', url, pid: process.pid }, 'the service listens');
  const welcome = developmentTools()?.welcome(url, config.auth, kinds);
  if (welcome !== undefined && !config.production) output.write(welcome);
  return {
    announce: () => (stopping = true),
    drain,
    cut: () => app.server.closeAllConnections(),
  };
}

async function whichDatabase(config: Config, log: Logger, stops: Stop[]) {
  const source = await findDatabase(config, log);
  stops.push(() => source.stop());
  return source;
}

async function readiness(database: Database, stopping: boolean) {
  const checks = { ...(await database.check()), accepting: !stopping };
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

/** Before there is a logger: the environment is wrong, and whoever set it reads this. */
function refuse(error: unknown): void {
  process.stderr.write('Landfall cannot start.\n');
  fail(error);
}

const usage = `usage: npm start

It takes no options: settings come from the environment, and from a file .env. docs/operating.md has them.`;

await runCommand({ usage, options: {} }, () => main().catch(refuse));
