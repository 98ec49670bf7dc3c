using System.CommandLine;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

internal static class ReplicaCommand
{
    /// <summary>Where a replica listens when not told: this machine only, so that nothing is open to the network by omission.</summary>
    public static PeerAddress DefaultListen { get; } = new("127.0.0.1", 7707);

    public static Command Create(CommandContext context)
    {
        var store = SharedOptions.Path("--store", "The store's directory; made if it is missing. One replica owns it at a time.", "DIR", required: true);
        var listen = SharedOptions.Address("--listen", $"Where to listen. Beyond loopback only with certificates. Port 0 takes any free one. Default: {DefaultListen}.", anyPort: true);
        var capacity = QuantityOptions.Size("--journal-capacity", "Most bytes of a group's journal: older points are retired for it, then what cannot be retired waits. At least 8 MiB.");
        var age = QuantityOptions.Span("--journal-age", "Points older than this are retired.");
        var reserve = QuantityOptions.Size("--journal-reserve", "Bytes of the store's volume that are kept free, out of which retirement is paid.");
        var nbd = SharedOptions.NbdListen();
        var seeds = SharedOptions.Directories("--seeds", "A directory that seeds of a baseline may lie in (vmrepl protect --seed). Without one none are taken. May be repeated.");
        var command = new Command("replica", "Run a replica: keep live images and journals of the groups that agents send.") { store, listen, capacity, age, reserve, nbd, seeds };
        var certificates = new CertificateOptions(command);
        context.SetAction(command, (parse, output, cancellation) => context.Commands().ReplicaAsync(
            new ReplicaArguments(parse.GetValue(store)!, parse.GetValue(listen) ?? DefaultListen, certificates.Get(parse), new JournalArguments(parse.GetValue(capacity), parse.GetValue(age), parse.GetValue(reserve)), parse.GetValue(nbd))
            {
                Seeds = parse.GetValue(seeds) is { Length: > 0 } given ? given : [],
            }, output, cancellation));
        return command;
    }
}
