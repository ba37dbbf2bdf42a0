import { describe, expect, test } from 'vitest';
import pg from 'pg';
import { z } from 'zod';
import { createLogger } from '../../src/observability/logger.ts';

function logLines(level = 'info') {
  const lines: string[] = [];
  const logger = createLogger({
    level,
    pretty: false,
    destination: { write: (line: string) => lines.push(line) },
  });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') };
}

/** The driver's error for a violated unique index. */
function databaseError(): Error {
  const error = new pg.DatabaseError('duplicate key value violates "events_pkey"', 0, 'error');
  return Object.assign(error, {
    code: '23505',
    detail: 'Key (tenant_id, identity_key)=(empire7, secret-key) already exists.',
    where: 'COPY events, line 1, column payload: secret-key',
    internalQuery: 'SELECT secret-key',
  });
}

function caught(fail: () => unknown): unknown {
  try {
    return fail();
  } catch (error) {
    return error;
  }
}

describe('a log line', () => {
  test('is JSON with a time, a level and an event', () => {
    const { logger, last } = logLines();
    logger.info({ event: 'service.started', port: 3000 }, 'the service listens');
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      event: 'service.started',
      port: 3000,
      msg: 'the service listens',
    });
  });

  test('of Fastify itself has the event `framework`', () => {
    const { logger, last } = logLines();
    logger.info('Server listening');
    expect(last()).toMatchObject({ event: 'framework' });
  });

  test('below the level is not written', () => {
    const { logger, lines } = logLines('warn');
    logger.info({ event: 'request' }, 'request');
    logger.debug('more');
    expect(lines).toEqual([]);
    logger.warn({ event: 'group.isolated' }, 'a group');
    expect(lines).toHaveLength(1);
  });
});

describe('a logged error', () => {
  test.each<[string, (error: Error) => object]>([
    ['under `err`', (error) => ({ err: error })],
    ['by itself', (error) => error],
    ['as the cause of another', (error) => ({ err: new Error('failed', { cause: error }) })],
    [
      'as the cause of a cause',
      (error) => ({ err: new Error('a', { cause: new Error('b', { cause: error }) }) }),
    ],
  ])('of the database, %s, does not quote rows', (_how, wrap) => {
    const { logger, lines } = logLines();
    logger.error(wrap(databaseError()));
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('secret-key');
    expect(lines[0]).not.toContain('empire7');
    expect(lines[0]).toContain('23505');
    expect(lines[0]).toContain('duplicate key value');
  });

  test('has its type, code, stack and cause, and its message if that is Landfall’s own', () => {
    const { logger, last } = logLines();
    const cause = Object.assign(new TypeError('below'), { code: 'E_BELOW' });
    logger.error({ event: 'request.failed', err: new Error('above', { cause }) }, 'failed');
    expect(last().err).toEqual({
      type: 'Error',
      message: 'above',
      stack: expect.stringContaining('logger.test.ts'),
      cause: {
        type: 'TypeError',
        code: 'E_BELOW',
        stack: expect.stringContaining('logger.test.ts'),
      },
    });
  });

  test.each([
    ['JSON', () => JSON.parse('{"a": secret-key}')],
    ['an unknown name', () => Reflect.get(Object(undefined), 'secret-key').length],
    ['Zod', () => z.strictObject({}).parse({ 'secret-key': 1 })],
  ])('of %s does not quote its input', (_what, fail) => {
    const { logger, lines, last } = logLines();
    logger.error({ err: caught(fail) });
    expect(lines[0]).not.toContain('secret-key');
    expect(last().err.type).toMatch(/Error$/);
  });

  test.each(['err', 'fault'])('in the field %s has a maximum length', (name) => {
    const { logger, lines } = logLines();
    const long = 'x'.repeat(100_000);
    const deep = (levels: number): Error =>
      new Error(long, { cause: levels > 0 ? deep(levels - 1) : long });
    const named = Object.assign(new Error(`${long}\n    at ${long}`), { name: long, code: long });
    const withoutMessage = Object.assign(new Error('x'), { stack: `    at ${long}\n`.repeat(99) });
    for (const error of [deep(50), named, withoutMessage, long]) logger.error({ [name]: error });
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line.length).toBeLessThan(8_192);
  });

  test('of a kind has only its type and its frames', () => {
    const { logger, lines, last } = logLines();
    const error = new RangeError('secret-key\n    at secret-key (secret-key.ts:1:1)');
    logger.error({ fault: Object.assign(error, { code: 'secret-key' }) });
    expect(lines[0]).not.toContain('secret-key');
    expect(last().fault).toEqual({
      type: 'RangeError',
      stack: expect.stringMatching(/^at .*logger\.test\.ts/),
    });
  });

  test('of an HTTP client does not include its request', () => {
    const { logger, lines } = logLines();
    const config = { headers: { authorization: 'Bearer secret-key' } };
    logger.error({ err: Object.assign(new Error('401'), { config, response: config }) });
    expect(lines[0]).not.toContain('secret-key');
  });

  test('that is no Error is logged by its type only', () => {
    const { logger, lines, last } = logLines();
    logger.error({ err: { token: 'secret-key' } });
    logger.error({ err: 'secret-key' });
    expect(lines.join()).not.toContain('secret-key');
    expect(last().err).toEqual({ type: 'string', message: 'not an Error' });
  });
});

test('a request is logged by its method only, because its URL can have a checkpoint', () => {
  const { logger, lines, last } = logLines();
  const headers = { authorization: 'Bearer secret-key' };
  const url = '/api/sync/changes?since=secret-key';
  const req = { method: 'GET', url, headers, query: { since: 'secret-key' }, raw: { url } };
  logger.info({ req, res: { statusCode: 200, headers } }, 'incoming request');
  expect(lines[0]).not.toContain('secret-key');
  expect(lines[0]).not.toContain('/api');
  expect(last()).toMatchObject({ req: { method: 'GET' }, res: { statusCode: 200 } });
});

test('a child logger does not quote rows either', () => {
  const { logger, lines } = logLines();
  logger.child({ reqId: 'r1' }).error({ err: databaseError() });
  expect(lines[0]).toContain('r1');
  expect(lines[0]).not.toContain('secret-key');
});
