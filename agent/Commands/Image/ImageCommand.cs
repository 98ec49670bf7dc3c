using System.CommandLine;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageCommand
{
    public static Command Create(CommandContext context) =>
        new("image", "Look into disk images (raw, QCOW2, VHDX, VMDK, VHD), convert and compare them. No agent is needed.")
        {
            ImageInfoCommand.Create(context),
            ImageMapCommand.Create(context),
            ImageCheckCommand.Create(context),
            ImageConvertCommand.Create(context),
            ImageCompareCommand.Create(context),
        };
}
