import { CALLBACK } from '#test/support/keyturn.ts';

/** What clients and people were left with when the fixture of a release was made: what they go on with afterwards. */
export interface Known {
  readonly issuer: string;
  /** When it was made, in seconds; from then on the fixture does not age. */
  readonly madeAt: number;
  /** The line of the key-encryption key. */
  readonly kek: string;
  readonly web: Credentials;
  readonly service: Credentials;
  /** A resource server with JWTs, and one with opaque tokens. */
  readonly api: Credentials;
  readonly opaqueApi: Credentials;
  /** The client of a device, which has no secret. */
  readonly device: string;
  /** What the browser sends at `/authorize`, where somebody is signed in. */
  readonly cookie: string;
  /** What the authorization endpoint asks that browser nothing about. */
  readonly request: Readonly<Record<string, string>>;
  readonly tokens: {
    readonly access: string;
    readonly opaque: string;
    readonly revoked: string;
    /** Of somebody whose account is locked. */
    readonly locked: string;
    readonly refresh: string;
    /** Of another family: one that was used, whose successor was used as well. */
    readonly reused: string;
    readonly successor: string;
  };
  /** A code that was not redeemed, and one that was. */
  readonly code: Code;
  readonly usedCode: Code;
  readonly deviceCode: string;
  readonly requestUri: string;
  readonly initialAccessToken: string;
  readonly kids: readonly string[];
}

export interface Credentials {
  readonly id: string;
  readonly secret: string;
}

export interface Code {
  readonly code: string;
  readonly verifier: string;
}

/** The token request by which a code is redeemed. */
export const redemption = ({ code, verifier }: Code): Record<string, string> => ({
  grant_type: 'authorization_code',
  code,
  redirect_uri: CALLBACK,
  code_verifier: verifier,
});

export const API = 'https://api.example.com';
export const OPAQUE_API = 'https://opaque.example.com';

/** The settings that a fixture is made and used under, beside those of every test. */
export const SETTINGS = { KEYTURN_REGISTRATION: 'token' };
