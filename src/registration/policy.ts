/** Who may register a client without an administrator: nobody, whoever has an initial access token, or anyone. */
export const REGISTRATION_POLICIES = ['closed', 'token', 'open'] as const;
