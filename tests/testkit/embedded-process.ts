import { startEmbedded } from '../../dev/embedded-postgres/embedded-postgres.ts';

// A process that a test can kill: starts the embedded PostgreSQL of the folder named, prints what
// the launcher logs and then the address, one JSON text a line, and stops it when it is told to.
const print = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`);

const embedded = await startEmbedded({ dataDir: process.argv[2] ?? '', log: { info: print } });
const stop = (): void => {
  process.stdin.destroy();
  void embedded.stop();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
print({ event: 'ready', url: embedded.url });
// Open until the test has gone; then nobody is left to say "stop".
process.stdin.once('end', stop).resume();
