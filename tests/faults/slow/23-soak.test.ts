import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { npmRun } from '../../testkit/command.ts';
import { treeOf } from '../../testkit/process-tree.ts';

const { SEED: seed = `${randomInt(2 ** 31)}`, MINUTES: minutes = '1' } = process.env;
/** Beside the faults: starting, draining and checking; a bound for what hangs. */
const limitMs = (Number(minutes) * 2 + 6) * 60_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));

test(
  `fault 23: of all faults at once, none loses an event or makes it happen twice (SEED=${seed})`,
  async () => {
    const args = ['--minutes', minutes, '--seed', seed];
    const { code, stdout, stderr } = await npmRun('soak', args, {});
    expect({ code, stderr }, `it printed:\n${stdout}`).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`seed ${seed}`);
    const counts = new Map(
      [...stdout.matchAll(/^\| (.+?) +\| +(\d+) \|$/gm)].map(([, name = '', count]) => [
        name,
        Number(count),
      ]),
    );
    for (const name of ['lost', 'twice', 'pullers that differ', 'versions missing or double']) {
      expect(counts.get(name), `${name}:`).toBe(0);
    }
    expect(counts.get('acknowledged')).toBeGreaterThan(0);
    expect([...counts.keys()].filter((name) => name.startsWith('faults: '))).not.toEqual([]);
  },
  limitMs,
);

test(
  'fault 23: Ctrl-C ends a soak and all that it started',
  async () => {
    const child = spawn('npm', ['run', '--silent', 'soak', '--', '--minutes', '5'], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const inTheMiddle = Promise.withResolvers<void>();
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
      if (/\d+ s: /.test(output)) inTheMiddle.resolve();
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await inTheMiddle.promise;
    const pid = child.pid ?? 0;
    const started = treeOf(pid);
    // npm, the soak, two services and PostgreSQL with its own; some may just be killed.
    expect(started.length).toBeGreaterThan(3);
    process.kill(-pid, 'SIGINT');
    await ended;
    expect(output).toContain('stopping');
    expect(started.filter(lives)).toEqual([]);
    expect(existsSync(/stays in (\S+)/.exec(output)?.[1] ?? '')).toBe(false);
  },
  limitMs,
);

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
