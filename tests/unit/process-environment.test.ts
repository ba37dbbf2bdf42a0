import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readProcessEnvironment } from '../../src/config/process-environment.ts';

const before = process.cwd();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'landfall-dot-env-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

test('the file .env sets only variables that are not set yet', () => {
  vi.stubEnv('LANDFALL_TEST_SET', 'from the environment');
  vi.stubEnv('LANDFALL_TEST_UNSET', undefined);
  writeFileSync('.env', 'LANDFALL_TEST_SET=from the file\nLANDFALL_TEST_UNSET=from the file\n');
  const { fromFile } = readProcessEnvironment();
  expect(fromFile).toEqual(new Set(['LANDFALL_TEST_UNSET']));
  expect(process.env.LANDFALL_TEST_SET).toBe('from the environment');
  expect(process.env.LANDFALL_TEST_UNSET).toBe('from the file');
});

test('the environment stays unchanged without a file .env', () => {
  const environment = { ...process.env };
  expect(readProcessEnvironment().fromFile).toEqual(new Set());
  expect(process.env).toEqual(environment);
});
