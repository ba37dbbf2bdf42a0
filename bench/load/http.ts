import { Client, type Dispatcher } from 'undici';

export interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** One connection, kept alive, with one request at a time on it. */
export function connect(origin: string): Client {
  // A system that is at its limit answers late; that is a figure, not an error.
  return new Client(origin, { pipelining: 1, headersTimeout: 60_000, bodyTimeout: 60_000 });
}

/** Straight on the dispatcher: neither a stream nor a web response is made for each answer. */
export function send(dispatcher: Dispatcher, request: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let status = 0;
    dispatcher.dispatch(request, {
      onRequestStart() {},
      onResponseStart(_controller, statusCode) {
        status = statusCode;
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        const [first] = chunks;
        const body = first && chunks.length === 1 ? first : Buffer.concat(chunks);
        resolve({ status, body });
      },
      onResponseError(_controller, error) {
        reject(error);
      },
    });
  });
}
