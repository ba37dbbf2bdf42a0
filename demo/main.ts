import { randomBytes } from 'node:crypto';
import { runCommand } from '../src/cli/command.ts';
import { readProcessEnvironment } from '../src/config/process-environment.ts';
import { openDemoService } from './demo-service.ts';
import { tellStory } from './story.ts';

/** Much longer than the demo takes. */
const limitMs = 120_000;
const usage = `usage: npm run demo -- [--kill]

Two devices go offline, edit the same notes, and come back to the same state. With --kill the service
is killed in the middle.`;

async function play(withKill: boolean): Promise<void> {
  readProcessEnvironment();
  let leaving = false;
  const say = (line: string) => void (leaving || process.stdout.write(`${line}\n`));
  say('Landfall demo: two devices, one bad network.\n');
  const opening = openDemoService(withKill);
  let cleared: Promise<void> | undefined;
  // A service can be stopped only once it has started.
  const clear = () => (cleared ??= opening.then((service) => service.close()));
  const leave = (words: string, code: number) => {
    if (leaving) return;
    say(`\n${words}`);
    leaving = true;
    const exit = () => process.exit(code);
    void clear().then(exit, exit);
  };
  process.on('SIGINT', () => leave('Stopped.', 130));
  process.on('SIGTERM', () => leave('Stopped.', 143));
  setTimeout(() => leave('This takes too long; something hangs.', 1), limitMs).unref();
  try {
    const service = await opening;
    const tenant = `demo-${randomBytes(4).toString('hex')}`;
    say(`service  ${service.description}`);
    say(`tenant   ${tenant}, new for this run`);
    process.exitCode = (await tellStory(service, tenant, withKill, say)) ? 0 : 1;
  } finally {
    await clear();
  }
}

await runCommand({ usage, options: { kill: { type: 'boolean', default: false } } }, ({ kill }) =>
  play(kill),
);
