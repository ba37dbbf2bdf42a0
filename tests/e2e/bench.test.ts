import { expect, inject, test } from 'vitest';
import type { Finding } from '../../bench/findings.ts';
import { scenarios } from '../../bench/scenarios/list.ts';
import { tables } from '../../bench/statements/variants.ts';
import { runNpmScript } from '../testkit/processes/npm-script.ts';

/** A dozen services are started; a bound for what hangs. */
const limitMs = 420_000;

/** Tiny sizes, and only what needs no peers: that the program works, not what it finds. */
const env = () => ({ BENCH_SIZES: 'smoke', BENCH_DATABASE_URL: inject('database').baseUrl });

test(
  'npm run bench puts every scenario under load and prints one object',
  async () => {
    const args = ['--json', '--without-peers'];
    const { code, stdout, stderr } = await runNpmScript('bench', args, env());
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('Error') });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ sizes: 'smoke', withPeers: false });
    expect(report.scenarios.map(({ name }: { name: string }) => name)).toEqual(
      scenarios.map(({ name }) => name),
    );
    for (const { name, systems } of report.scenarios) {
      for (const [system, { rate }] of Object.entries<{ rate: { median: number } }>(systems)) {
        expect(rate.median, `${name}: ${system}`).toBeGreaterThan(0);
      }
    }
    // Times of processors are only there where the database runs on this machine.
    const { landfall } = report.scenarios[0].systems;
    expect(landfall.cost.walBytes.median).toBeGreaterThan(0);
    // The rest are figures, which nobody checks here; these are 0 on any machine.
    const checks = report.scenarios.flatMap(({ findings }: { findings: Finding[] }) =>
      findings.filter(({ unit }) => unit === 'events').map(({ name, value }) => [name, value.max]),
    );
    expect(checks).toEqual([
      ['acknowledged, not stored', 0],
      ['stored by the second time', 0],
    ]);
  },
  limitMs,
);

test(
  'npm run bench:statements writes the same rows in every way, and prints what each costs',
  async () => {
    const { code, stdout } = await runNpmScript('bench:statements', [], env());
    expect(code).toBe(0);
    const variants = tables.flatMap((table) => table.variants.map(({ name }) => name));
    const figures = stdout.matchAll(
      /^\| (.+) \| [\d.]+ \([\d.]+ – [\d.]+\) \| (?:[\d.]+|NaN|Infinity) \|$/gm,
    );
    expect([...figures].map(([, name]) => name)).toEqual(variants);
  },
  limitMs,
);

test('a scenario that does not exist is named', async () => {
  const { code, stderr } = await runNpmScript('bench', ['--only', 'push-7'], env());
  expect(code).toBe(2);
  expect(stderr).toContain('there is no scenario push-7');
});
