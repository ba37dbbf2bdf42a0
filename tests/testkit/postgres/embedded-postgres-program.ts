import { startEmbedded } from '../../../dev/embedded-postgres/embedded-postgres.ts';

// A program that a test starts and can kill. It starts the embedded PostgreSQL of the folder in its first
// argument, prints the log lines and then the URL as one line of JSON each, and stops the database on SIGINT
// and SIGTERM.
const print = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`);

const embedded = await startEmbedded({ dataDir: process.argv[2] ?? '', log: { info: print } });
const stop = (): void => {
  process.stdin.destroy();
  void embedded.stop();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
print({ event: 'ready', url: embedded.url });
// The standard input ends when the test process has ended without a signal to this program.
process.stdin.once('end', stop).resume();
