using VmRepl.Journal;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Replica;

/// <summary>
/// Does what needs room in a group's store, and waits where there is none: the peer is told why, gets no credit meanwhile, and it is tried again until it succeeds. Room appears when views are closed, points grow too old,
/// or space is freed on the volume. How long that may take is the source's to say: it ends its session. Where the peer does not know of waiting, the lack of room is an error as any other.
/// </summary>
internal sealed class RoomWait(ReplicaSite site, FramedConnection connection, string group, bool peerWaits)
{
    // A text that travels has a bound, in bytes.
    private const int ReasonCharsMax = 1000;

    /// <exception cref="JournalFullException">There is no room, and the peer does not wait or waiting does not help.</exception>
    /// <exception cref="OperationCanceledException">The session ended first.</exception>
    public async Task RunAsync(Action work, CancellationToken cancellation)
    {
        string? told = null;
        while (true)
        {
            try
            {
                work();
                if (told is not null) SessionLog.RoomAgain(site.Log, group);
                return;
            }
            catch (JournalFullException e) when (peerWaits && !e.IsForGood)
            {
                // The bytes in it change with everything that the volume's other users do; the limit is what counts.
                if (told is null) SessionLog.WaitingForRoom(site.Log, group, e.Message);
                if (told != e.Message) await connection.SendAsync(new NoRoom(e.Message.Length > ReasonCharsMax ? e.Message[..ReasonCharsMax] : e.Message), cancellation);
                told = e.Message;
            }

            await Task.Delay(site.Options.RoomPoll, site.Time, cancellation);
        }
    }
}
