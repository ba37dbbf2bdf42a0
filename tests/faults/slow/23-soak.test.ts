import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runNpmScript } from '../../testkit/processes/npm-script.ts';
import { isRunning } from '../../testkit/processes/child-process.ts';
import { processTreeOf } from '../../testkit/processes/process-tree.ts';

const { SEED: seed = `${randomInt(2 ** 31)}`, MINUTES: minutes = '1' } = process.env;
/** The time after which a soak counts as hanging. Starting, draining and checking take time beside the faults. */
const limitMs = (Number(minutes) * 2 + 6) * 60_000;
const root = fileURLToPath(new URL('../../../', import.meta.url));

test(
  `fault 23: with all faults at the same time no event is lost or applied twice (SEED=${seed})`,
  async () => {
    const args = ['--minutes', minutes, '--seed', seed];
    const { code, stdout, stderr } = await runNpmScript('soak', args, {});
    expect({ code, stderr }, `it printed:\n${stdout}`).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`seed ${seed}`);
    const counts = new Map(
      [...stdout.matchAll(/^\| (.+?) +\| +(\d+) \|$/gm)].map(([, name = '', count]) => [
        name,
        Number(count),
      ]),
    );
    for (const name of ['lost', 'twice', 'clients that differ', 'versions missing or repeated']) {
      expect(counts.get(name), `${name}:`).toBe(0);
    }
    expect(counts.get('acknowledged')).toBeGreaterThan(0);
    expect([...counts.keys()].filter((name) => name.startsWith('faults: '))).not.toEqual([]);
  },
  limitMs,
);

test(
  'fault 23: Ctrl-C ends a soak and all processes that it has started',
  async () => {
    const child = spawn('npm', ['run', '--silent', 'soak', '--', '--minutes', '5'], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const hasBegun = Promise.withResolvers<void>();
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
      if (/\d+ s: /.test(output)) hasBegun.resolve();
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await hasBegun.promise;
    const pid = child.pid ?? 0;
    const started = processTreeOf(pid);
    // npm, the soak, two services, and the processes of PostgreSQL. The soak may just have killed some of them.
    expect(started.length).toBeGreaterThan(3);
    process.kill(-pid, 'SIGINT');
    await ended;
    expect(output).toContain('stopping');
    expect(started.filter(isRunning)).toEqual([]);
    expect(existsSync(/stays in (\S+)/.exec(output)?.[1] ?? '')).toBe(false);
  },
  limitMs,
);
