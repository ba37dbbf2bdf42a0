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
 * The coding that a Content-Encoding header names, in upper or lower case; `identity` is ignored. Several codings are
 * refused, so that no body is decompressed twice.
 *
 * @returns undefined for a body that is not compressed
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
 * Decompresses `source`.
 *
 * @throws RequestProblem INVALID_BODY if it does not have that coding, and whatever `source` throws
 */
export async function* decompress(
  source: AsyncIterable<Buffer>,
  coding: Coding,
): AsyncGenerator<Buffer> {
  let sourceError: unknown;
  const decoder: Readable = pipeline(watchedSource(), decoders[coding](), () => {});
  try {
    yield* decoder;
  } catch (error) {
    throw sourceError ?? new RequestProblem('INVALID_BODY', undefined, {}, error);
  }

  /** Remembers what `source` threw, to distinguish it from an error of the decoder. */
  async function* watchedSource(): AsyncGenerator<Buffer> {
    try {
      yield* source;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  }
}
