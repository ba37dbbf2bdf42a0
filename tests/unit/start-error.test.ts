import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDevelopmentDatabase } from '../../dev/embedded-postgres/start-database.ts';
import { explainDataDir, explainListen, StartError } from '../../src/config/start-error.ts';
import { explainStartErrors } from '../../src/postgres/start-error.ts';

const failure = (code: string, rest: object = {}) =>
  Object.assign(new Error('of the system'), { code, ...rest });

/** The error of a server that cannot listen. */
async function listenError(host: string, port: number): Promise<unknown> {
  const [error] = await once(createServer().listen({ host, port }), 'error');
  return error;
}

describe('the error of a service that cannot listen', () => {
  const noAddress = (host: string) =>
    `HOST: ${host} is no address of this machine: set one, such as 127.0.0.1, or 0.0.0.0 for all`;

  test('names the port if it is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = Object(taken.address());
    const place = { host: '127.0.0.1', port };
    const explained = explainListen(place, await listenError(place.host, port));
    taken.close();
    expect(explained).toBeInstanceOf(StartError);
    expect(explained).toMatchObject({
      message: `PORT: ${port} is taken at 127.0.0.1: stop what listens there, or set another one`,
    });
  });

  test.each([
    ['is not known', 'no-such-host.invalid'],
    ['is the address of another machine', '192.0.2.1'],
  ])('names the host if it %s', async (_what, host) => {
    const explained = explainListen({ host, port: 0 }, await listenError(host, 0));
    expect(explained).toBeInstanceOf(StartError);
    expect(explained).toMatchObject({ message: noAddress(host) });
  });

  test.each(['EACCES', 'EPERM'])('names the port if the user may not open it: %s', (code) => {
    expect(explainListen({ host: '::', port: 80 }, failure(code))).toMatchObject({
      message: 'PORT: this user may not open 80: set one from 1024 on',
    });
  });

  test('is left as it is if it has no advice', () => {
    const error = failure('EMFILE');
    expect(explainListen({ host: '::', port: 80 }, error)).toBe(error);
  });
});

describe('the error of a step that writes to DATA_DIR', () => {
  const lineOf = (dataDir: string, reason: string) =>
    `DATA_DIR: ${dataDir} cannot be used, ${reason}: name another folder, or set DATABASE_URL and JWT_SECRET`;

  test.each([
    ['EACCES', 'this user may not write there'],
    ['EPERM', 'this user may not write there'],
    ['EROFS', 'the disk is read-only'],
    ['ENOSPC', 'the disk is full'],
    ['EDQUOT', 'the disk is full'],
    ['ENOTDIR', 'a part of the path is a file'],
    ['EEXIST', 'it is a file'],
  ])('says what to do: %s', (code, reason) => {
    for (const path of [
      '/data/landfall',
      '/data',
      '/data/landfall/jwt-secret',
      '/data/landfall/',
    ]) {
      const explained = explainDataDir('/data/landfall', failure(code, { path }));
      expect(explained).toBeInstanceOf(StartError);
      expect(explained).toMatchObject({ message: lineOf('/data/landfall', reason) });
    }
  });

  test.each([
    ['another path', failure('EACCES', { path: '/data/landfall-of-another' })],
    ['no path', failure('EACCES')],
    ['another reason', failure('EMFILE', { path: '/data/landfall' })],
    ['no code', new Error('a fault of the program')],
  ])('is left as it is with %s', (_what, error) => {
    expect(explainDataDir('/data/landfall', error)).toBe(error);
  });

  describe('of the embedded database', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'landfall-start-error-'));
      writeFileSync(join(folder, 'file'), '');
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    test.each([
      ['file', 'it is a file'],
      ['file/data', 'a part of the path is a file'],
    ])('says what to do: %s', async (path, reason) => {
      const dataDir = join(folder, path);
      const starting = startDevelopmentDatabase({ dataDir, log: { info: () => {} } });
      await expect(starting).rejects.toThrow(new StartError(lineOf(dataDir, reason)));
    });
  });
});

test('an error of the database is explained in one line without the password', async () => {
  const connectionString = 'postgresql://app:open-sesame@db:5432/landfall';
  const step = () => Promise.reject(new Error('the first line\nand the details'));
  const explained = explainStartErrors({ variable: 'DATABASE_URL', connectionString }, step);
  await expect(explained).rejects.toThrow(new StartError('DATABASE_URL: the first line'));
});
