import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { isCapacityProblem } from '../../scheduling/refusals.ts';
import { type ProblemCode, RequestProblem, requestProblems } from '../../domain/errors.ts';
import { toProblem } from '../../protocol/problem.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** The methods that the service allows for the path of a URL. Empty if no route has this path. */
    methodsOf(url: string): readonly string[];
  }
}

/** The problem codes for errors that Fastify and its plugins throw. */
const frameworkErrors = new Map<string, ProblemCode>([
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'UNSUPPORTED_MEDIA_TYPE'],
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'BODY_TOO_LARGE'],
  ['FST_ERR_CTP_EMPTY_JSON_BODY', 'INVALID_JSON'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'INVALID_BODY'],
  // A path below the API page that names no file.
  ['FST_STATIC_FORBIDDEN_PATH', 'NOT_FOUND'],
  // The client aborted its upload. A connection reset of the database arrives as RequestProblem.
  ['ECONNRESET', 'INVALID_BODY'],
]);

/**
 * Answers a URL that cannot be decoded, or that has a longer parameter than allowed. Such a URL fails
 * before Fastify has found a route, so no hook has run.
 */
export function answerBadUrl(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  request.logFields = {};
  reply.header('x-request-id', request.id);
  void answer(new RequestProblem('NOT_FOUND'), request, reply);
}

/** Answers every refusal as application/problem+json with a code from `requestProblems`. */
export const errorHandler = plugin<{ maxBodyBytes: number }>(
  async (app, { maxBodyBytes }) => {
    const routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = [];
    app.addHook('onRoute', ({ url, method }) => {
      routes.push({ path: pathPattern(url), methods: [method].flat() });
    });

    app.decorate('methodsOf', (url: string) => {
      const path = pathOf(url);
      return routes.flatMap((route) => (route.path.test(path) ? route.methods : []));
    });
    const noRoute = ({ url }: FastifyRequest) => {
      const allow = app.methodsOf(url);
      return allow.length > 0
        ? new RequestProblem('METHOD_NOT_ALLOWED', undefined, { allow })
        : new RequestProblem('NOT_FOUND');
    };
    // Refuses the request before its body is read. This needs no authentication, as no route exists.
    app.addHook('preParsing', (request, _reply, payload, done) => {
      if (request.is404) done(noRoute(request));
      else done(null, payload);
    });
    app.setNotFoundHandler((request, reply) => answer(noRoute(request), request, reply));
    app.setErrorHandler((error: FastifyError, request, reply) => {
      // Fastify requires a content type for the method QUERY, also if no route accepts that method.
      const isNoRoute = error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE';
      const problem = isNoRoute ? noRoute(request) : toRequestProblem(error, maxBodyBytes);
      return answer(problem, request, reply);
    });
  },
  { name: 'error-handler', dependencies: ['observability'] },
);

/** The path as the router sees it: without scheme and host, and percent-decoded. */
function pathOf(url: string): string {
  const [path = ''] = url.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1);
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/** Matches the paths of a route such as `/entities/:type/:id`. */
function pathPattern(url: string): RegExp {
  const parts = url.split(/:[A-Za-z]+/).map((part) => part.replace(/\W/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]+')}$`);
}

function toRequestProblem(error: FastifyError, maxBytes: number): RequestProblem {
  if (error instanceof RequestProblem) return error;
  const code = frameworkErrors.get(error.code);
  if (code === undefined) return new RequestProblem('INTERNAL', undefined, {}, error);
  return new RequestProblem(code, undefined, code === 'BODY_TOO_LARGE' ? { maxBytes } : {});
}

function answer(problem: RequestProblem, request: FastifyRequest, reply: FastifyReply) {
  const { status } = requestProblems[problem.code];
  const { retryAfter, allow } = problem.members;
  request.logFields.code = problem.code;
  if (status >= 500 && !isCapacityProblem(problem.code)) {
    const err = problem.cause ?? problem;
    request.log.error({ event: 'request.failed', code: problem.code, err }, 'request failed');
  }
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  if (allow !== undefined) reply.header('allow', allow.join(', '));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(toProblem(problem));
}
