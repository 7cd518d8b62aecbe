//! The task definitions that the usual connectors bring along; it must never be needed for a name that the scenario explains itself.

use super::{Connector, Kind};

/// A definition by name: kind, and whether it has an adapter.
pub fn known(connector: Connector, name: &str) -> Option<(Kind, bool)> {
    names(connector)
        .iter()
        .chain(COMMON)
        .find(|(known, _, _)| *known == name)
        .map(|(_, kind, automated)| (*kind, *automated))
}

/// All definitions of a connector.
pub fn names(connector: Connector) -> &'static [(&'static str, Kind, bool)] {
    match connector {
        Connector::Ldap => &[
            ("Create User", Kind::Create, true),
            ("Add User to Group", Kind::Grant, true),
            ("Remove User from Group", Kind::Revoke, true),
            ("Telephone Updated", Kind::Change, true),
            ("Department Updated", Kind::Change, true),
            ("Title Updated", Kind::Change, true),
            ("Disable User", Kind::Disable, true),
            ("Enable User", Kind::Enable, true),
            ("Delete User", Kind::Disable, true),
            ("Password Updated", Kind::Password, true),
        ],
        Connector::Mail => &[
            ("Create Mailbox", Kind::Create, true),
            ("Add Distribution Group", Kind::Grant, true),
            ("Remove Distribution Group", Kind::Revoke, true),
            ("Quota Updated", Kind::Change, true),
            ("Display Name Updated", Kind::Change, true),
            ("Disable Mailbox", Kind::Disable, true),
            ("Enable Mailbox", Kind::Enable, true),
            ("Delete Mailbox", Kind::Disable, true),
        ],
        Connector::Erp => &[
            ("Create User", Kind::Create, true),
            ("Add Role", Kind::Grant, true),
            ("Remove Role", Kind::Revoke, true),
            ("Cost Center Updated", Kind::Change, true),
            ("Company Updated", Kind::Change, true),
            ("Lock User", Kind::Disable, true),
            ("Unlock User", Kind::Enable, true),
            ("Delete User", Kind::Disable, true),
            ("Password Updated", Kind::Password, true),
        ],
        Connector::Database => &[
            ("Create User", Kind::Create, true),
            ("Grant Role", Kind::Grant, true),
            ("Revoke Role", Kind::Revoke, true),
            ("Default Tablespace Updated", Kind::Change, true),
            ("Disable User", Kind::Disable, true),
            ("Enable User", Kind::Enable, true),
            ("Delete User", Kind::Disable, true),
            ("Password Updated", Kind::Password, true),
        ],
        Connector::Ticket => &[
            ("Manual Provisioning", Kind::Create, false),
            ("Manual Grant", Kind::Grant, false),
            ("ManualRevokeStart", Kind::Revoke, false),
            ("Manual Update", Kind::Change, false),
        ],
    }
}

/// What every connector may have.
const COMMON: &[(&str, Kind, bool)] = &[
    ("Notify Manager", Kind::Notify, true),
    ("Send Notification", Kind::Notify, true),
    ("ManualRevokeStart", Kind::Revoke, false),
    ("Order Hardware", Kind::Other, false),
];
