import type { Sender, TestApp } from '../app/test-app.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
}

export interface HttpAnswer {
  readonly status: number;
  /** The parsed JSON; undefined where the body is not JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** Sends one request. Rejects where no answer arrives. */
export type SendRequest = (request: HttpRequest) => Promise<HttpAnswer>;

export interface ServiceAddress {
  /** Called for each request, as a client may move to another service. */
  readonly url: () => string;
  readonly token: () => string;
  readonly timeoutMs: number;
}

export function sendByHttp({ url, token, timeoutMs }: ServiceAddress): SendRequest {
  return async ({ method, path, body }) => {
    const answer = await fetch(url() + path, {
      method,
      headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: parseJson(await answer.text()) };
  };
}

/** Sends requests to an app in this process. */
export function sendInProcess(service: TestApp, sender: Sender): SendRequest {
  return ({ method, path, body }) =>
    service.request({ method, url: path, sender, ...(body && { body }) });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
