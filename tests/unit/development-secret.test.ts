import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { developmentSecret } from '../../src/development-secret.ts';

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

test('one that is there already is taken as it is', () => {
  writeFileSync(join(home, 'jwt-secret'), 'put here by hand');
  expect(developmentSecret(home)).toBe('put here by hand');
});

test('where the folder cannot be made, the error says so', () => {
  writeFileSync(join(home, 'file'), '');
  expect(() => developmentSecret(join(home, 'file', 'data'))).toThrow('ENOTDIR');
  expect(() => developmentSecret(join(home, 'file'))).toThrow('EEXIST');
});
