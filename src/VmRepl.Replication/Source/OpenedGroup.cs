using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source;

/// <summary>A connection on which the replica has opened the group.</summary>
internal sealed record OpenedGroup(FramedConnection Connection, Welcome Welcome, GroupState State);
