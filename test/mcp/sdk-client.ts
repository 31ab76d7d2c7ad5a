import assert from 'node:assert/strict';
import { auth, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type {
  OAuthClientInformationMixed,
  OAuthClientMetadata,
  OAuthTokens,
} from '@modelcontextprotocol/sdk/shared/auth.js';
import { CALLBACK } from '#test/support/keyturn.ts';
import type { Person } from '#test/support/person.ts';

/** What an MCP client keeps, in memory; the person it sends to sign in is given. */
export class McpClient implements OAuthClientProvider {
  readonly #person: Person;
  readonly #credentials: { login: string; password: string };
  readonly clientMetadataUrl?: string;
  information: OAuthClientInformationMixed | undefined;
  granted: OAuthTokens | undefined;
  /** Where the person was sent to sign in. */
  authorizationUrl: URL | undefined;
  #verifier = '';
  #callback: URL | undefined;

  constructor(options: {
    person: Person;
    credentials: { login: string; password: string };
    information?: OAuthClientInformationMixed;
    clientMetadataUrl?: string;
  }) {
    this.#person = options.person;
    this.#credentials = options.credentials;
    this.information = options.information;
    if (options.clientMetadataUrl !== undefined) this.clientMetadataUrl = options.clientMetadataUrl;
  }

  get redirectUrl(): string {
    return CALLBACK;
  }

  get clientMetadata(): OAuthClientMetadata {
    return {
      client_name: 'An MCP client',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  clientInformation() {
    return this.information;
  }

  saveClientInformation(information: OAuthClientInformationMixed) {
    this.information = information;
  }

  tokens() {
    return this.granted;
  }

  saveTokens(tokens: OAuthTokens) {
    this.granted = tokens;
  }

  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }

  async redirectToAuthorization(url: URL) {
    this.authorizationUrl = url;
    this.#callback = await this.#person.authorize(url, this.#credentials);
  }

  /** Goes through authorization as the server asks for it, until there are tokens. */
  async signIn(serverUrl: string): Promise<void> {
    assert.equal(await auth(this, { serverUrl }), 'REDIRECT');
    const authorizationCode = this.#callback?.searchParams.get('code') ?? assert.fail('no code came back');
    const iss = this.#callback?.searchParams.get('iss') ?? undefined;
    const answer = { serverUrl, authorizationCode, ...(iss === undefined ? undefined : { iss }) };
    assert.equal(await auth(this, answer), 'AUTHORIZED');
  }

  /** Calls a tool of an MCP server, and answers with its text. */
  async call(serverUrl: string, tool: string, parameters: Record<string, unknown>): Promise<string> {
    const client = new Client({ name: 'a client', version: '1.0.0' });
    await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { authProvider: this }));
    try {
      const { content } = await client.callTool({ name: tool, arguments: parameters });
      return (content as { text: string }[]).map(({ text }) => text).join('');
    } finally {
      await client.close();
    }
  }
}
