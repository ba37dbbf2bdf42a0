import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { developmentSecret } from '../../dev/development-secret.ts';
import { StartError } from '../../src/config/start-error.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'landfall-secret-'));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

test('a secret is made once and kept, so that tokens outlive a restart', () => {
  const secret = developmentSecret(home);
  expect(developmentSecret(home)).toBe(secret);
  expect(readFileSync(join(home, 'jwt-secret'), 'utf8')).toBe(secret);
  expect(readdirSync(home)).toEqual(['jwt-secret']);
});

test('only its owner can read it', () => {
  developmentSecret(home);
  expect(statSync(join(home, 'jwt-secret')).mode & 0o777).toBe(0o600);
});

test('each folder has its own, and the folder is made where it is missing', () => {
  const here = developmentSecret(join(home, 'a', 'b'));
  const there = developmentSecret(join(home, 'c'));
  expect(here).not.toBe(there);
});

test('it is strong enough for the check of a secret that somebody set', () => {
  const JWT_SECRET = developmentSecret(home);
  const env = { NODE_ENV: 'production', DATABASE_URL: 'postgresql://db/landfall', JWT_SECRET };
  expect(() => loadConfig(env, () => '')).not.toThrow();
});

describe('one that is there already', () => {
  const write = (secret: string, mode = 0o600) => {
    writeFileSync(join(home, 'jwt-secret'), secret);
    chmodSync(join(home, 'jwt-secret'), mode);
  };
  const good = 'put here by hand, of more than 32 bytes';

  test('is taken as it is', () => {
    write(good);
    expect(developmentSecret(home)).toBe(good);
  });

  test.each([0o640, 0o604, 0o660, 0o644, 0o666, 0o610])(
    'is refused in one line where others can read or change it: mode %i',
    (mode) => {
      write(good, mode);
      const line = refusalOf(() => developmentSecret(home));
      expect(line).toBe(
        `JWT_SECRET: others can read ${home}/jwt-secret (mode 0${mode.toString(8)}): ` +
          `run chmod 600 ${home}/jwt-secret, or set JWT_SECRET`,
      );
    },
  );

  test.each([
    ['nothing', ''],
    ['half a secret', 'x'.repeat(31)],
    ['a public key', `-----BEGIN PUBLIC KEY-----\n${good}`],
  ])('is refused in one line where it holds %s', (_what, secret) => {
    write(secret);
    const line = refusalOf(() => developmentSecret(home));
    expect(line).toMatch(
      /^JWT_SECRET: what \S+ holds must be .*: remove it, and a new one is made/,
    );
    expect(line).not.toContain(secret || '\0');
  });
});

test('where the folder cannot be made, one line names the variable', () => {
  writeFileSync(join(home, 'file'), '');
  for (const dataDir of [join(home, 'file', 'data'), join(home, 'file')]) {
    expect(refusalOf(() => developmentSecret(dataDir))).toMatch(
      /^DATA_DIR: \S+ cannot be used, .* file: name another folder, or set DATABASE_URL and JWT_SECRET$/,
    );
  }
});

/** The message of a StartError: one line. */
function refusalOf(step: () => unknown): string {
  try {
    step();
  } catch (error) {
    if (error instanceof StartError && !error.message.includes('\n')) return error.message;
    throw error;
  }
  throw new Error('it was taken');
}
