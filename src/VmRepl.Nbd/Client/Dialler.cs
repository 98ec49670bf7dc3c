using System.Net.Sockets;

namespace VmRepl.Nbd.Client;

/// <summary>
/// Connects a socket within a deadline and leaves it in blocking mode: a connect that can be cancelled would make each later call wait in two steps.
/// The connect runs on a thread of its own; one that does not come back is left to the kernel's own time limit, and closes its socket then.
/// </summary>
internal static class Dialler
{
    private const int StackBytes = 256 << 10;

    /// <exception cref="NbdException">Nobody took the connection.</exception>
    public static Socket Dial(NbdAddress address, TimeSpan limit)
    {
        var gate = new Lock();
        Socket? connected = null;
        Exception? fault = null;
        var isAbandoned = false;
        var dialling = new Thread(() =>
        {
            Socket? socket = null;
            try
            {
                socket = address.NewSocket();
                socket.SendTimeout = (int)limit.TotalMilliseconds;
                socket.Connect(address.EndPoint);
                lock (gate)
                {
                    if (!isAbandoned)
                    {
                        connected = socket;
                        return;
                    }
                }

                socket.Dispose();
            }
            catch (Exception e)
            {
                fault = e;
                socket?.Dispose();
            }
        }, StackBytes)
        { IsBackground = true, Name = "nbd dialling" };
        dialling.Start();
        dialling.Join(limit);
        lock (gate)
        {
            if (connected is not null) return connected;
            isAbandoned = true;
        }

        throw fault is null
            ? new NbdException(address.ToString(), $"it took no connection within {limit.TotalSeconds} s")
            : new NbdException(address.ToString(), $"no connection: {fault.Message}", fault);
    }
}
