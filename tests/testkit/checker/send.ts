import type { Sender, TestApp } from '../app.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
}

export interface HttpAnswer {
  readonly status: number;
  /** Undefined where it is not JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** One request; rejects where no answer came. */
export type Send = (request: HttpRequest) => Promise<HttpAnswer>;

export interface Address {
  /** Asked at each request: the service may move. */
  readonly url: () => string;
  readonly token: () => string;
  readonly timeoutMs: number;
}

export function sendByHttp({ url, token, timeoutMs }: Address): Send {
  return async ({ method, path, body }) => {
    const answer = await fetch(url() + path, {
      method,
      headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: parse(await answer.text()) };
  };
}

/** To an app in this process. */
export function sendInProcess(service: TestApp, sender: Sender): Send {
  return ({ method, path, body }) =>
    service.request({ method, url: path, sender, ...(body && { body }) });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
