//! Error texts as connectors really write them, by class and system; it must never decide whether anything fails.

use super::{Connector, Failure};

/// A text of a class for a connector. `pick` chooses among several; `{user}`, `{item}` and `{host}` are filled in.
pub fn text(
    connector: Connector,
    failure: Failure,
    pick: u64,
    user: &str,
    item: &str,
    host: &str,
) -> String {
    let all = texts(connector, failure);
    let chosen = all
        .get(super::super::draw::index(pick, all.len()))
        .copied()
        .unwrap_or("Unknown error");
    chosen
        .replace("{user}", user)
        .replace("{item}", item)
        .replace("{host}", &host.to_lowercase())
}

fn texts(connector: Connector, failure: Failure) -> &'static [&'static str] {
    use Connector as C;
    use Failure as F;
    match (connector, failure) {
        (C::Ldap, F::Network) => &[
            "javax.naming.CommunicationException: {host}.corp.example:636 [Root exception is java.net.ConnectException: Connection refused (Connection refused)]",
            "org.identityconnectors.framework.common.exceptions.ConnectionFailedException: simple bind failed: {host}.corp.example:636",
            "LDAP: error code 52 - 00000000: LdapErr: DSID-0C090F19, comment: The server is unavailable, data 0",
        ],
        (C::Ldap, F::Timeout) => &[
            "javax.naming.NamingException: LDAP response read timed out, timeout used: 60000 ms.; remaining name 'DC=corp,DC=example'",
            "org.identityconnectors.framework.common.exceptions.OperationTimeoutException: Operation timed out after 60000 ms",
        ],
        (C::Ldap, F::Throttle) => &[
            "LDAP: error code 51 - 0000200E: SvcErr: DSID-031A124C, problem 5001 (BUSY), data 0",
            "LDAP: error code 11 - Administrative limit exceeded: too many operations per connection",
        ],
        (C::Ldap, F::Lock) => &[
            "LDAP: error code 51 - 00002024: SvcErr: DSID-02080490, problem 5001 (BUSY), data -1102: a write conflict occurred, retry the operation",
        ],
        (C::Ldap, F::Credential) => &[
            "javax.naming.AuthenticationException: [LDAP: error code 49 - 80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563]",
        ],
        (C::Ldap, F::Data) => &[
            "LDAP: error code 19 - 00000057: AtrErr: DSID-03190FB6, #1: problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90002 (telephoneNumber) for {user}",
            "LDAP: error code 21 - 00000057: LdapErr: DSID-0C090D8A, comment: Error in attribute conversion operation, data 0: {item}",
        ],
        (C::Ldap, F::Duplicate) => &[
            "LDAP: error code 68 - 00000524: UpdErr: DSID-031A11E2, problem 6005 (ENTRY_EXISTS), data 0: CN={user}",
        ],
        (C::Ldap, F::NotFound) => &[
            "LDAP: error code 32 - 0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of: 'OU=People,DC=corp,DC=example' for {user}",
        ],
        (C::Ldap, F::PasswordPolicy) => &[
            "LDAP: error code 53 - 0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0: password does not meet the complexity requirements",
        ],
        (C::Mail, F::Network) => &[
            "Connecting to remote server {host}.corp.example failed with the following error message : WinRM cannot complete the operation. Verify that the specified computer name is valid",
            "com.sun.mail.util.MailConnectException: Couldn't connect to host, port: {host}.corp.example, 443; timeout -1; nested exception is: java.net.NoRouteToHostException: No route to host",
        ],
        (C::Mail, F::Timeout) => &[
            "The WinRM client cannot complete the operation within the time specified. Check if the machine name is valid and is reachable over the network",
            "java.net.SocketTimeoutException: Read timed out while calling New-RemoteMailbox for {user}",
        ],
        (C::Mail, F::Throttle) => &[
            "Microsoft.Exchange.Data.Storage.ServerBusyException: The server cannot service this request right now. Try again later. Micro delays: 41000 ms",
            "Fail to create a runspace because you have exceeded the maximum number of connections allowed : 3 for the policy party : MaxConcurrency",
        ],
        (C::Mail, F::Lock) => &[
            "The operation couldn't be performed because object '{user}' couldn't be updated: the object is being modified by another process. Please retry",
        ],
        (C::Mail, F::Credential) => &[
            "Connecting to remote server {host}.corp.example failed with the following error message : Access is denied. The user name or password is incorrect",
        ],
        (C::Mail, F::Data) => &[
            "The value \"{item}\" of property ProhibitSendQuota is not in the valid range: the issue warning quota must be less than or equal to it",
            "Cannot process argument transformation on parameter 'PrimarySmtpAddress'. The SMTP address of {user} has an invalid format",
        ],
        (C::Mail, F::Duplicate) => &[
            "The proxy address \"SMTP:{user}@corp.example\" is already being used by the proxy addresses or LegacyExchangeDN of another recipient",
        ],
        (C::Mail, F::NotFound) => &[
            "The operation couldn't be performed because object '{user}' couldn't be found on '{host}.corp.example'",
        ],
        (C::Erp, F::Network) => &[
            "com.sap.conn.jco.JCoException: (102) JCO_ERROR_COMMUNICATION: Connect to SAP gateway failed; Connect parameters: TYPE=A ASHOST={host} SYSNR=00; ERROR partner '{host}:3300' not reached",
            "com.sap.conn.jco.JCoException: (104) JCO_ERROR_SYSTEM_FAILURE: connection closed without message (CM_NO_DATA_RECEIVED)",
        ],
        (C::Erp, F::Timeout) => &[
            "com.sap.conn.jco.JCoException: (104) JCO_ERROR_SYSTEM_FAILURE: Time limit exceeded in BAPI_USER_CHANGE for {user}",
        ],
        (C::Erp, F::Throttle) => &[
            "com.sap.conn.jco.JCoException: (106) JCO_ERROR_RESOURCE: Connection pool {host} is exhausted. The current pool size limit (max connections) is 10 connections.",
        ],
        (C::Erp, F::Lock) => &[
            "BAPI_USER_ACTGROUPS_ASSIGN: User {user} is currently locked by administrator IDMADMIN (01 224)",
            "User {user} is being edited by another administrator; enqueue failed on USR04",
        ],
        (C::Erp, F::Credential) => &[
            "com.sap.conn.jco.JCoException: (103) JCO_ERROR_LOGON_FAILURE: Name or password is incorrect (repeat logon) on {host} sysnr 00",
        ],
        (C::Erp, F::Data) => &[
            "BAPI_USER_CREATE1: E 01 410 Company address {item} does not exist",
            "BAPI_USER_CHANGE: E S# 209 Enter a valid user group for {user}",
        ],
        (C::Erp, F::Duplicate) => &["BAPI_USER_CREATE1: E 01 224 User {user} already exists"],
        (C::Erp, F::NotFound) => &[
            "BAPI_USER_GET_DETAIL: E 01 124 User {user} does not exist",
            "BAPI_USER_ACTGROUPS_ASSIGN: E S# 042 Role {item} does not exist",
        ],
        (C::Database, F::Network) => &[
            "java.sql.SQLRecoverableException: IO Error: The Network Adapter could not establish the connection (CONNECTION_ID=b0Xk) {host}",
            "ORA-12541: TNS:no listener",
            "ORA-03113: end-of-file on communication channel",
        ],
        (C::Database, F::Timeout) => {
            &["java.sql.SQLTimeoutException: ORA-12170: TNS:Connect timeout occurred"]
        }
        (C::Database, F::Throttle) => &[
            "ORA-12516: TNS:listener could not find available handler with matching protocol stack",
            "ORA-00020: maximum number of processes (300) exceeded",
        ],
        (C::Database, F::Lock) => &[
            "ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired",
            "ORA-04021: timeout occurred while waiting to lock object {user}",
        ],
        (C::Database, F::Credential) => &["ORA-01017: invalid username/password; logon denied"],
        (C::Database, F::Data) => &["ORA-00959: tablespace '{item}' does not exist"],
        (C::Database, F::Duplicate) => {
            &["ORA-01920: user name '{user}' conflicts with another user or role name"]
        }
        (C::Database, F::NotFound) => &[
            "ORA-01918: user '{user}' does not exist",
            "ORA-01919: role '{item}' does not exist",
        ],
        (C::Database, F::PasswordPolicy) => &[
            "ORA-28003: password verification for the specified password failed; ORA-20001: Password length less than 12",
        ],
        (C::Ticket, F::Network) => &["java.net.UnknownHostException: {host}.corp.example"],
        (C::Ticket, F::Timeout) => {
            &["504 Gateway Timeout: upstream {host} did not answer within 60 s"]
        }
        (C::Ticket, F::Throttle) => &[
            "429 Too Many Requests: Rate limit of 120 calls per minute exceeded for integration user oim",
        ],
        (C::Ticket, F::Lock) => {
            &["409 Conflict: record sys_user/{user} is locked by another transaction"]
        }
        (C::Ticket, F::Credential) => {
            &["401 Unauthorized: User Not Authenticated: Required to provide Auth information"]
        }
        (C::Ticket, F::Data) => {
            &["400 Bad Request: Invalid value '{item}' for field assignment_group"]
        }
        (C::Ticket, F::Duplicate) => &[
            "403 Forbidden: Operation against file 'sc_request' was aborted by Business Rule 'Abort duplicate for {user}'",
        ],
        (C::Ticket, F::NotFound) => &["404 Not Found: No Record found for {user}"],
        (_, F::PasswordPolicy) => &[
            "The password does not meet the password policy requirements of {host}. Check the minimum password length, password complexity and password history requirements.",
        ],
        (_, F::Internal) => &[
            "java.lang.NullPointerException: at oracle.iam.connectors.icfcommon.prov.ICProvisioningManager.execute",
            "Response: UNKNOWN; Response Description: Unknown response received",
        ],
    }
}
