import { pipeline, type Readable } from 'node:stream';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib';
import { RequestProblem } from '../domain/errors.ts';

const decoders = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
} as const;

type Coding = keyof typeof decoders;

/**
 * The coding that a Content-Encoding header names, in any case; `identity` in the list says nothing.
 * At most one: a bomb in a bomb is not unpacked twice.
 *
 * @returns undefined for a body as it is
 * @throws RequestProblem UNSUPPORTED_ENCODING
 */
export function readContentEncoding(header: string | undefined): Coding | undefined {
  if (header === undefined) return undefined;
  const named = header
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const [coding, ...more] = named.filter((name) => name !== '' && name !== 'identity');
  if (coding === undefined) return undefined;
  if (more.length > 0 || !Object.hasOwn(decoders, coding)) {
    throw new RequestProblem('UNSUPPORTED_ENCODING');
  }
  return coding as Coding;
}

/**
 * What `source` decodes to.
 *
 * @throws RequestProblem INVALID_BODY where it is not of that coding, and whatever `source` throws
 */
export async function* decompress(
  source: AsyncIterable<Buffer>,
  coding: Coding,
): AsyncGenerator<Buffer> {
  let cause: unknown;
  const decoder: Readable = pipeline(watched(), decoders[coding](), () => {});
  try {
    yield* decoder;
  } catch (error) {
    throw cause ?? new RequestProblem('INVALID_BODY', undefined, {}, error);
  }

  /** Remembers what `source` threw, to tell it from what the decoder does. */
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      yield* source;
    } catch (error) {
      cause = error;
      throw error;
    }
  }
}
