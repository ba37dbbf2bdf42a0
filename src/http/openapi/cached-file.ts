import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** What is answered to everybody alike, for as long as the process lives. */
export interface FileSource {
  readonly type: string;
  /** Asked once, when the file is first wanted. */
  readonly read: () => string | Buffer;
}

/** High enough for a small file, low enough for some tens of milliseconds of another thread. */
const brotliQuality = 6;

const compressors = {
  br: (body: Buffer) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality },
    }),
  gzip: (body: Buffer) => promisify(gzip)(body),
} as const;
export type Encoding = keyof typeof compressors;

export interface CachedFile {
  readonly type: string;
  /** Best first; none for what does not get smaller. */
  readonly encodings: Encoding[];
  /** In quotes. */
  etag(): string;
  body(encoding: Encoding | null): Promise<Buffer>;
}

/** Reads once, compresses once in each way that somebody asks for, on another thread, and keeps it all. */
export function cacheFile({ type, read }: FileSource): CachedFile {
  let kept: { readonly body: Buffer; readonly etag: string } | undefined;
  const compressed = new Map<Encoding, Promise<Buffer>>();

  function whole() {
    if (kept) return kept;
    const body = Buffer.from(read());
    kept = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
    return kept;
  }

  return {
    type,
    encodings: type.startsWith('image/') ? [] : ['br', 'gzip'],
    etag: () => whole().etag,
    async body(encoding) {
      if (encoding === null) return whole().body;
      const found = compressed.get(encoding) ?? compressors[encoding](whole().body);
      compressed.set(encoding, found);
      return found;
    },
  };
}
