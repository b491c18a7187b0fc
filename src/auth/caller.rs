//! Who is asking, and what they may do. Everything a room decides about rights it asks here.

use super::scope::Scope;
use super::tokens::Owner;

/// How the request came in. Some families know people only by their own credentials over TCP, but let an operator
/// act through the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The Unix socket.
    Unix,
    /// TCP, from wherever.
    Tcp,
}

/// The one who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    identity: Identity,
    transport: Transport,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    Local(Local),
    Token(TokenHolder),
    Anonymous { why: String },
}

/// A user of this host, vouched for by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The user's number.
    pub uid: u32,
    /// The group, where known: of the process on the Unix socket, else the user's primary one.
    pub gid: Option<u32>,
    /// The login name, if the user has one.
    pub name: Option<String>,
    /// Whether all rights are his.
    pub operator: bool,
}

/// Somebody with a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token's number.
    pub id: u64,
    /// The token's name.
    pub name: String,
    /// Whose it is: a user, as whom the token's tasks run, or an account, with whose nothing can be started.
    pub owner: Owner,
    /// Whether the owner may touch what belongs to others: root and the daemon's own user may.
    pub reaches_all: bool,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// No, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// 401: it is unknown who asks. 403: it is known, and not enough.
    pub status: u16,
    /// What was missing, fit for the one who asked.
    pub message: String,
}

impl Denied {
    /// It is unknown who asks, because of `why`.
    pub fn unknown(why: &str) -> Denied {
        let help =
            "call over the Unix socket, from this host's loopback address, or with \"Authorization: Bearer TOKEN\"";
        Denied { status: 401, message: format!("it is unknown who is calling: {why}; {help}") }
    }

    /// The caller is known and lacks something.
    pub fn forbidden(message: impl Into<String>) -> Denied {
        Denied { status: 403, message: message.into() }
    }
}

impl Caller {
    /// A user of this host.
    pub fn local(local: Local, transport: Transport) -> Caller {
        Caller { identity: Identity::Local(local), transport }
    }

    /// The holder of a token.
    pub fn token(holder: TokenHolder, transport: Transport) -> Caller {
        Caller { identity: Identity::Token(holder), transport }
    }

    /// Somebody of whom nothing is known, because of `why`: a fragment that a 401 will show.
    pub fn anonymous(why: impl Into<String>, transport: Transport) -> Caller {
        Caller { identity: Identity::Anonymous { why: why.into() }, transport }
    }

    /// The user as whom the caller's tasks run: himself, or his token's owner. None where that is an account.
    pub fn uid(&self) -> Option<u32> {
        match &self.identity {
            Identity::Local(local) => Some(local.uid),
            Identity::Token(token) => token.owner.uid(),
            Identity::Anonymous { .. } => None,
        }
    }

    /// The caller's group, where the kernel or the user database told it.
    pub fn gid(&self) -> Option<u32> {
        match &self.identity {
            Identity::Local(local) => local.gid,
            Identity::Token(_) | Identity::Anonymous { .. } => None,
        }
    }

    /// For `started_by` and the audit log: `uid 1000 (alice)`, `token ci`, `anonymous`.
    pub fn name(&self) -> String {
        match &self.identity {
            Identity::Local(Local { uid, name: Some(name), .. }) => format!("uid {uid} ({name})"),
            Identity::Local(Local { uid, name: None, .. }) => format!("uid {uid}"),
            Identity::Token(token) => format!("token {}", token.name),
            Identity::Anonymous { .. } => "anonymous".to_owned(),
        }
    }

    /// How the request came in.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The token the caller showed, if it was that which named him.
    pub fn token_holder(&self) -> Option<&TokenHolder> {
        match &self.identity {
            Identity::Token(token) => Some(token),
            Identity::Local(_) | Identity::Anonymous { .. } => None,
        }
    }

    /// Whether all rights are his: root, the daemon's own user, a member of the operators' group, or a token with the
    /// scope `admin`.
    pub fn is_operator(&self) -> bool {
        match &self.identity {
            Identity::Local(local) => local.operator,
            // An account is an operator by its own flag, where it signs in, and never by a token.
            Identity::Token(token) => token.owner.uid().is_some() && token.scopes.contains(&Scope::Admin),
            Identity::Anonymous { .. } => false,
        }
    }

    /// Whether the right comes from the connection and not from something the request itself carries. A browser lends
    /// its connections to any page, so such requests are subject to the rules on `Host` and `Origin`.
    pub fn is_ambient(&self) -> bool {
        matches!(self.identity, Identity::Local(_))
    }

    /// Whether the caller has this right. Local users hold the scopes of `proc` and `dag`, and the room then limits
    /// them to what is theirs ([`Caller::may_touch`]).
    pub fn holds(&self, scope: Scope) -> bool {
        self.is_operator()
            || match &self.identity {
                Identity::Local(_) => scope.is_everyones(),
                Identity::Token(token) => token.scopes.iter().any(|held| held.covers(scope)),
                Identity::Anonymous { .. } => false,
            }
    }

    /// Whether a task or run of `owner` may be seen and changed by the caller, as far as his scopes go.
    pub fn may_touch(&self, owner: u32) -> bool {
        let reaches_all = match &self.identity {
            Identity::Token(token) => token.reaches_all,
            Identity::Local(_) | Identity::Anonymous { .. } => false,
        };
        self.is_operator() || reaches_all || self.uid() == Some(owner)
    }

    /// Whether everybody's tasks and runs are the caller's to see and touch, as far as his scopes go.
    pub fn may_touch_all(&self) -> bool {
        // Nobody owns this uid; who may touch even its tasks may touch all.
        self.may_touch(u32::MAX)
    }

    /// As whom something of the caller's runs that names no user: an operator's as `daemon`, anybody else's as himself,
    /// a token's as its owner.
    pub fn runs_as(&self, daemon: u32) -> u32 {
        match self.uid() {
            Some(uid) if self.token_holder().is_some() || !self.is_operator() => uid,
            _ => daemon,
        }
    }

    /// Demands that it is known who calls.
    ///
    /// # Errors
    /// 401 with the reason why it is not.
    pub fn require_known(&self) -> Result<(), Denied> {
        match &self.identity {
            Identity::Anonymous { why } => Err(Denied::unknown(why)),
            Identity::Local(_) | Identity::Token(_) => Ok(()),
        }
    }

    /// Demands a right.
    ///
    /// # Errors
    /// 401 when it is unknown who calls, 403 when the caller lacks the right; both say what is needed.
    pub fn require(&self, scope: Scope) -> Result<(), Denied> {
        self.require_known()?;
        if self.holds(scope) {
            return Ok(());
        }
        Err(Denied::forbidden(match &self.identity {
            Identity::Token(token) => {
                format!("this needs the scope {scope}, and {} holds only: {}", self.name(), Scope::list(&token.scopes))
            }
            Identity::Local(_) | Identity::Anonymous { .. } => {
                format!("this needs an operator or a token with the scope {scope}, and {} is no operator", self.name())
            }
        }))
    }

    /// Demands an operator.
    ///
    /// # Errors
    /// 401 when it is unknown who calls, 403 when he is no operator.
    pub fn require_operator(&self) -> Result<(), Denied> {
        self.require_known()?;
        if self.is_operator() {
            return Ok(());
        }
        let operators =
            "root, the daemon's own user, a member of the operators' group, or a token with the scope admin";
        Err(Denied::forbidden(format!("this needs an operator ({operators}), and {} is none", self.name())))
    }
}
