import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTenant } from '../testkit/app/tenant.ts';
import { putNote } from '../testkit/events/sent-events.ts';
import { startApp, type TestApp } from '../testkit/app/test-app.ts';
import { insertTenantsText } from '../testkit/postgres/tenant-history.ts';
import { runNpmScript } from '../testkit/processes/npm-script.ts';

// tests/unit/commands.test.ts runs every command in its own process, with wrong arguments.

/** The scripts that no other test runs. */
test.each(['openapi', 'soak'])('npm run %s -- --help prints its usage', async (command) => {
  const { code, stdout, stderr } = await runNpmScript(command, ['--help'], {});
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(new RegExp(`^usage: npm run ${command}\\b`));
});

test('npm run tells by its exit code that an argument was refused, and prints why on stderr', async () => {
  const { code, stdout, stderr } = await runNpmScript('token', ['--kil'], {});
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^Unknown option '--kil'\nusage: npm /);
});

describe('npm run tenant-hash', () => {
  let service: TestApp;
  beforeAll(async () => {
    service = await startApp();
  });
  afterAll(() => service.close());
  const hash = (...args: readonly string[]) =>
    runNpmScript('tenant-hash', args, { DATABASE_URL: service.database.url });

  test('says which tenant a hash of the log is, and which hash a tenant has', async () => {
    const tenant = await createTenant(service);
    await tenant.push([putNote('n1')]);
    const logged = () => service.logLines.find(({ event }) => event === 'request')?.tenant;
    await expect.poll(logged).toBeDefined();
    const found = String(logged());
    expect(await hash('--tenant', tenant.id)).toEqual({
      code: 0,
      stdout: `${found}\n`,
      stderr: '',
    });
    expect(await hash('--hash', found)).toEqual({ code: 0, stdout: `${tenant.id}\n`, stderr: '' });
  });

  test('finds the last of many, and says where no tenant has a hash', async () => {
    await service.sql(
      insertTenantsText("SELECT 'many-' || lpad(n::text, 5, '0') FROM generate_series(1, 2500) n", {
        head: '1',
      }),
    );
    const { stdout: last } = await hash('--tenant', 'many-02500');
    expect((await hash('--hash', last.trim())).stdout).toBe('many-02500\n');
    expect(await hash('--hash', '0123456789abcdef')).toEqual({
      ...{ code: 1, stdout: '' },
      stderr: 'no tenant that has pushed to this database has the hash 0123456789abcdef\n',
    });
  });
});
