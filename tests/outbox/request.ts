export interface Server {
  readonly url: string;
  /** Called before each request, so that it can renew the token. */
  readonly token: () => string | Promise<string>;
  readonly fetch?: typeof fetch;
}

/** The server is busy, or the outcome is unknown: the same request is sent again later. */
export class UnavailableError extends Error {
  readonly retryAfterMs: number = 0;
}

/** The server refused the whole request. Without a `code`, the refusal is not from Landfall. */
export class RefusedError extends Error {
  readonly status: number = 0;
  readonly code: string | undefined;
}

/** Sends a POST where there is a body, else a GET. @throws UnavailableError, RefusedError */
export async function request(server: Server, path: string, body?: object) {
  const { url, token, fetch = globalThis.fetch } = server;
  const headers = { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' };
  const post = body && { method: 'POST', body: JSON.stringify(body) };
  const init = { headers, signal: AbortSignal.timeout(30_000), ...post };
  const response = await fetch(url + path, init).catch((cause: unknown) => {
    throw new UnavailableError('no answer', { cause });
  });
  const { status } = response;
  const parse = async () => JSON.parse(await response.text());
  const answer = await parse().catch(() => undefined);
  if (status === 200 && answer) return answer;
  if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) {
    const { code, detail } = answer ?? {};
    throw Object.assign(new RefusedError(`${status} ${code}: ${detail}`), { status, code });
  }
  const retryAfterMs = (Number(response.headers.get('retry-after')) || 0) * 1_000;
  throw Object.assign(new UnavailableError(`answered ${status}`), { retryAfterMs });
}

/** 1 s, 2 s, 4 s … 5 min, or what the server asks for if that is longer. Jitter comes on top. */
export function backoffMs(attempts: number, retryAfterMs = 0, random: () => number): number {
  const wait = Math.max(retryAfterMs, Math.min(1_000 * 2 ** (attempts - 1), 300_000));
  return Math.round(wait * (1 + random() / 2));
}
