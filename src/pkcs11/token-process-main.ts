import type {
  SignAnswer,
  SignRequest,
  TokenAnswer,
  TokenRequest,
  ToldProblem,
} from '#src/pkcs11/messages.ts';
import { Token } from '#src/pkcs11/token.ts';
import { TokenProblem } from '#src/pkcs11/token-problem.ts';

/**
 * The process that a PKCS#11 module is loaded into. What the module does to it, be it to hang or to crash, it does not do
 * to the server, which starts another one. It ends when the server does, and not before: it is asked to sign until then.
 */
let token: Token | null = null;

process.on('message', (request: TokenRequest) => {
  void answerTo(request).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => {
  token?.close();
  process.exit();
});
// A service manager, and Control-C, ask every process of the server to end; the server says when.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

async function answerTo(request: TokenRequest): Promise<TokenAnswer> {
  try {
    return { answer: await carryOut(request) };
  } catch (error) {
    return { problem: told(error) };
  }
}

async function carryOut(request: TokenRequest): Promise<unknown> {
  if (request.op === 'open') {
    const { module, token: label, pin } = request.ask;
    token = new Token({ cryptoki: await loaded(module), label, pin });
    token.open();
    return null;
  }
  if (token === null) throw new Error('a token is opened first');
  switch (request.op) {
    case 'sign':
      return signEach(token, request.ask);
    case 'generate':
      return token.generate(request.ask.label, request.ask.alg);
    case 'read':
      return token.read(request.ask.label);
    case 'destroy':
      token.destroy(request.ask.label);
      return null;
    case 'look':
      return token.look();
  }
}

async function loaded(module: string) {
  try {
    const { loadCryptoki } = await import('#src/pkcs11/cryptoki.ts');
    return loadCryptoki(module);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    throw new TokenProblem('setup', missing ? 'the package koffi is not installed' : message);
  }
}

/** Where the token is away, the rest is not tried: each would wait for it. */
function signEach(opened: Token, requests: readonly SignRequest[]): readonly SignAnswer[] {
  let away: ToldProblem | null = null;
  return requests.map(({ label, alg, data }) => {
    if (away !== null) return { problem: away };
    try {
      return { signature: opened.sign(label, alg, Buffer.from(data)) };
    } catch (error) {
      const problem = told(error);
      if (problem.kind === 'away' || problem.kind === 'pin') away = problem;
      return { problem };
    }
  });
}

function told(error: unknown): ToldProblem {
  if (error instanceof TokenProblem) return { kind: error.kind, message: error.message };
  return { kind: 'refused', message: error instanceof Error ? error.message : String(error) };
}
