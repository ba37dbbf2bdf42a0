import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Port 1 answers nobody, so that the demo starts its own service whatever else is running. */
const demo = (...args: string[]) =>
  promisify(execFile)('npm', ['run', '--silent', 'demo', '--', ...args], {
    cwd: root,
    env: { ...process.env, HOST: '127.0.0.1', PORT: '1', DATABASE_URL: '' },
  });

test('npm run demo ends with both devices equal to the server', async () => {
  const { stdout } = await demo();
  expect(stdout).toContain('5 duplicate; nothing happened twice');
  expect(stdout).toContain('All three are equal.');
});

test('npm run demo -- --kill ends equal too, with the service killed in the middle', async () => {
  const { stdout } = await demo('--kill');
  expect(stdout).toContain('killed (SIGKILL)');
  expect(stdout).toContain('All three are equal.');
});
