import { decodeJwt } from 'jose';
import { PATIENCE_MS } from '#src/cli/drill/resource-servers.ts';
import { Browser } from '#src/cli/parties/browser.ts';
import type { Cast } from '#src/cli/parties/cast.ts';
import { SCOPE } from '#src/cli/parties/cast.ts';
import { RelyingParty, type ServerMetadata, type TokenResponse } from '#src/cli/parties/relying-party.ts';
import { type Credentials, postForm, UnexpectedAnswer } from '#src/cli/parties/requests.ts';
import type { Random } from '#src/random.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** A client gets an access token, one way or another. Throws `UnexpectedAnswer` if the server refuses. */
export interface Client {
  token(now: EpochSeconds): Promise<string>;
}

/**
 * An application that a person has signed in to: it refreshes its tokens, and has the person sign in anew when the
 * authorization comes to its end. It checks every ID token that it is given.
 */
export class Application implements Client {
  readonly #relyingParty: RelyingParty;
  readonly #cast: Cast;
  readonly #signal: AbortSignal;
  readonly #sessionLifetime: Seconds;
  readonly #isGoodIdToken: (token: string) => Promise<boolean>;
  #held: { readonly tokens: TokenResponse; readonly until: EpochSeconds } | null = null;
  signIns = 0;
  refreshes = 0;

  constructor(options: {
    readonly server: ServerMetadata;
    readonly cast: Cast;
    readonly random: Random;
    readonly signal: AbortSignal;
    /** For how long it refreshes what came of one sign-in. */
    readonly refreshesFor: Seconds;
    readonly isGoodIdToken: (token: string) => Promise<boolean>;
  }) {
    const { server, cast, random, signal } = options;
    const { client } = cast;
    this.#relyingParty = new RelyingParty({
      server,
      credentials: client,
      redirectUri: client.redirectUri,
      random,
      signal,
    });
    this.#cast = cast;
    this.#signal = signal;
    this.#sessionLifetime = options.refreshesFor;
    this.#isGoodIdToken = options.isGoodIdToken;
  }

  async token(now: EpochSeconds): Promise<string> {
    const held = this.#held;
    this.#held = null;
    const goesOn = held !== null && now < held.until;
    const tokens = goesOn ? await this.#refresh(held.tokens) : await this.#signIn();
    if (!(await this.#isGoodIdToken(tokens.id_token))) throw new UnexpectedAnswer('the ID token is not good');
    this.#held = { tokens, until: goesOn ? held.until : after(now, this.#sessionLifetime) };
    return tokens.access_token;
  }

  #refresh({ refresh_token }: TokenResponse): Promise<TokenResponse> {
    this.refreshes += 1;
    return this.#relyingParty.refresh(refresh_token);
  }

  async #signIn(): Promise<TokenResponse> {
    this.signIns += 1;
    const { api, person } = this.#cast;
    const resource = api.identifier;
    const request = this.#relyingParty.authorizationRequest({ scope: SCOPE, resource });
    const browser = new Browser(this.#signal);
    const typed = { login: person.username, password: person.password.reveal() };
    const signedIn = await browser.submit(await browser.visit(request.url), '/sign-in', typed);
    const { leftTo } = signedIn.page === null ? signedIn : await browser.submit(signedIn, '/consent');
    if (leftTo === null) throw new UnexpectedAnswer('the person is shown another page instead of going back');
    const tokens = await this.#relyingParty.redeem(
      this.#relyingParty.codeOf(leftTo, request),
      request,
      resource,
    );
    if (decodeJwt(tokens.id_token).nonce !== request.nonce)
      throw new UnexpectedAnswer('the ID token was made for another request');
    return tokens;
  }
}

/** A service that acts for itself: RFC 6749 section 4.4. */
export class Service implements Client {
  readonly #options: ServiceOptions;
  requests = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  async token(): Promise<string> {
    const { server, credentials, resource } = this.#options;
    this.requests += 1;
    const form = { grant_type: 'client_credentials', resource };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { status, body } = await postForm(server.token_endpoint, form, { credentials, signal });
    if (status !== 200 || typeof body.access_token !== 'string')
      throw new UnexpectedAnswer(`the token endpoint answered ${status} ${JSON.stringify(body)}`);
    return body.access_token;
  }
}

export interface ServiceOptions {
  readonly server: ServerMetadata;
  readonly credentials: Credentials;
  readonly resource: string;
}
